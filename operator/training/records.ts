/** Folds what is seen into what is remembered: the records of the preflight and of each phase, monotone and independent of how often it runs. */
import type { Phase } from '../../crds/schedule.ts';
import type { Observed, ObservedJob, Task } from './observed.ts';
import { processesOf } from './processes.ts';
import { stallOf, UNREADABLE } from './stall.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';
import type { PhaseRecord, TrainingStatus } from './status.ts';
import { answer, count, type Done, NEW_RECORD, stateByJob } from './task-record.ts';
import { waitOf } from './waits.ts';

/** A task with its memory and, where there is one, its Job. Jobs that are being deleted, or whose failure was answered, are not shown. */
export type Step = { readonly task: Task; readonly record: TaskRecord; readonly job: ObservedJob | undefined; readonly digest: string };

export type Ledger = {
  readonly preflight: Step;
  /** In rising order of resolution. */
  readonly phases: readonly (Step & { readonly record: PhaseRecord })[];
  /** The step that runs now or next; undefined when all are complete. */
  readonly current: Step | undefined;
};

type Fold = {
  readonly previous: TrainingStatus | undefined;
  readonly seen: Observed;
  readonly phases: readonly Phase[];
  readonly digest: (task: Task) => string;
  /** True when a person asked for another try since the last round. */
  readonly retry: boolean;
};

/** What is remembered after this look at the world. A phase once complete stays so until raising totalKimg moves its end. */
export function remember(fold: Fold): Ledger {
  const { previous, seen, phases } = fold;
  const preflight = step({ kind: 'preflight' }, previous?.preflight ?? NEW_RECORD, fold);
  // The preflight's answer counts once, when it comes: later looks at the same answer must not finish a run that was extended since.
  const news = preflight.record.state === 'Complete' && previous?.preflight.state !== 'Complete' ? seen.preflight : undefined;
  const images = newestImages(fold, news?.images ?? 0);
  const list = phases.map((phase) => {
    const known = previous?.phases.find((record) => record.resolution === phase.resolution);
    const adopted = news?.complete === true || images >= phase.endImages;
    return phaseStep(phase, known, adopted, images, fold);
  });
  const current = [preflight, ...list].find(({ record }) => record.state !== 'Complete');
  return { preflight, phases: list, current };
}

/** Images of the newest checkpoint that is known of. */
function newestImages({ previous, seen }: Fold, preflightImages: number): number {
  const progress = seen.progress?.document;
  const completed = (previous?.phases ?? []).filter((record) => record.state === 'Complete').map((record) => record.endImages);
  return Math.max(0, preflightImages, previous?.checkpoint?.images ?? 0, progress?.checkpoint?.images ?? 0, ...completed);
}

function phaseStep(phase: Phase, known: PhaseRecord | undefined, adopted: boolean, images: number, fold: Fold): Ledger['phases'][number] {
  const task: Task = { kind: 'train', resolution: phase.resolution, endImages: phase.endImages };
  const { resolution, startImages, endImages } = phase;
  const bounds = { resolution, startImages, endImages };
  if (known?.state === 'Complete' && known.endImages >= endImages)
    return { task, record: known, job: jobOf(task, known, fold.seen), digest: fold.digest(task) };
  const extended = known?.state === 'Complete' ? reopened(known) : known;
  const { record, job, digest } = step(task, extended ?? NEW_RECORD, fold, images);
  const document = fold.seen.progress?.document;
  const live = document?.resolution === resolution ? document : undefined;
  const wait = job ? waitOf(known?.wait, job) : known?.wait;
  const losses = live?.losses ?? known?.losses;
  const checkpoint = live?.checkpoint ?? known?.checkpoint;
  const whole = {
    ...record,
    ...bounds,
    ...processesOf(known, job),
    ...(wait && { wait }),
    ...(losses && { losses }),
    ...(checkpoint && { checkpoint }),
  };
  // A process that has saved its last checkpoint still writes the final network and the pictures: its Job's end decides, not its progress.
  const over = adopted && job?.state.kind !== 'active';
  return { task, job, digest, record: over ? { ...whole, state: 'Complete' } : whole };
}

/** A finished phase whose end has moved: its history stays, its end does not. */
function reopened(known: PhaseRecord): TaskRecord {
  const { completionTime: _, ...rest } = known;
  return { ...rest, state: 'Pending' };
}

/** The Job of a task; one that is going, or was answered, does not count. */
function jobOf(task: Task, record: TaskRecord, seen: Observed): ObservedJob | undefined {
  return seen.jobs.find((job) => sameTask(job.task, task) && !job.deleting && job.uid !== record.dismissed);
}

/** True where two tasks share a Job name: the same phase, wherever its end lies. */
export function sameTask(a: Task, b: Task): boolean {
  return a.kind === 'preflight' ? b.kind === 'preflight' : b.kind === 'train' && a.resolution === b.resolution;
}

function step(task: Task, before: TaskRecord, fold: Fold, images?: number): Step {
  const digest = fold.digest(task);
  if (before.state === 'Complete') return { task, record: before, job: jobOf(task, before, fold.seen), digest };
  const job = jobOf(task, before, fold.seen);
  const counted = job ? count(before, job, { saved: images ?? 0, ...workOf(task, job, fold.seen) }) : before;
  const stall = counted.stall ?? (job && stallOf(task, counted, job, fold.seen, digest));
  const answered = stall
    ? fold.retry || stall.digest !== digest || (stall.reason === UNREADABLE && counted.dismissed === undefined)
    : fold.retry && job?.state.kind === 'failed';
  if (answered) return { task, record: answer(counted, job), job: undefined, digest };
  const record: TaskRecord = { ...counted, ...(stall && { stall }), state: stateOf(counted, job, stall !== undefined, task) };
  return { task, record, job, digest };
}

/** A document of another phase tells nothing of this one, whose first process may not have reached the store yet. */
function workOf(task: Task, { state }: ObservedJob, { progress }: Observed): Pick<Done, 'shown' | 'atWork'> {
  if (task.kind !== 'train' || progress?.document.resolution !== task.resolution) return { shown: 0, atWork: false };
  const { document, fresh } = progress;
  const works = ['Training', 'FadingIn', 'Checkpointing'].includes(document.state) && document.waiting === undefined;
  return { shown: document.images, atWork: fresh && works && state.kind === 'active' };
}

/** Complete is what has been recorded as such: a Job may end well before it reaches a totalKimg that was raised meanwhile. */
function stateOf(record: TaskRecord, job: ObservedJob | undefined, stalled: boolean, task: Task): TaskRecord['state'] {
  const state = stateByJob(job, stalled);
  const reached = record.completionTime !== undefined && job !== undefined && reaches(job.task, task);
  return state === 'Complete' && !reached ? 'Pending' : state;
}

/** True where a finished Job of the same phase went as far as the phase goes now. */
function reaches(done: Task, task: Task): boolean {
  return done.kind === 'preflight' || (task.kind === 'train' && done.endImages >= task.endImages);
}
