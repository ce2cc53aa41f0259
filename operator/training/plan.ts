/** plan(): what to do next for a PGGANTraining. Decisions only, no I/O; it reads like the table in docs/states.md. */
import { type Action, type Decision, expire, remove, resumed, stopped, verdict } from './decision.ts';
import { deleting } from './deletion.ts';
import { taskDigest } from './digest.ts';
import { type Expectation, expectation, type TrainingObject } from './expectation.ts';
import { builtBefore, follow, outageFirst, rebuild } from './follow.ts';
import { lookAgain, previousPods } from './lost-node.ts';
import type { Observed, ObservedJob, Task } from './observed.ts';
import { type Ledger, remember, sameTask, type Step } from './records.ts';
import { summarize } from './summary.ts';
import type { TrainingStatus } from './status.ts';
import { failuresOf } from './task-record.ts';
import { working } from './working.ts';

export const RETRY_ANNOTATION = 'pggan.dev/retry';

/** A status that could not be written and actions that were not carried out are decided again from the same world, whichever came first. */
export type Plan = { readonly actions: readonly Action[]; readonly status: TrainingStatus; readonly lookAgainSeconds?: number };

/** The whole of the operator's judgement about one training: (object, world, clock) -> actions and status. */
export function plan(training: TrainingObject, seen: Observed, now: Date): Plan {
  const wanted = expectation(training);
  const asked = training.metadata.annotations?.[RETRY_ANNOTATION];
  const retry = asked !== undefined && asked !== training.status?.lastHandledRetry;
  const phases = wanted.kind === 'valid' ? wanted.phases : [];
  const ledger = remember({ previous: training.status, seen, phases, digest: (task) => taskDigest(training.spec, task), retry });
  const { verdict, actions, lookAgainSeconds: again } = decide(training, wanted, ledger, seen, now);
  const lookAgainSeconds = lookAgain(again, seen.terminatingPods, now);
  const records = [training.status?.preflight, ...(training.status?.phases ?? [])];
  const told = new Set(
    records.filter((record) => record?.state === 'Complete' || record?.state === 'Stalled').map((record) => record?.job?.uid),
  );
  const status = summarize(training, wanted, ledger, seen, verdict, asked, now);
  return {
    actions: [...actions, ...expire(seen.jobs, told, training.spec.ttlSecondsAfterFinished, actions)],
    status,
    ...(lookAgainSeconds !== undefined && { lookAgainSeconds }),
  };
}

/** The name of the Job of a task. */
export function jobName(training: string, task: Task): string {
  return `${training}-${task.kind === 'preflight' ? 'preflight' : task.resolution}`;
}

function decide(training: TrainingObject, wanted: Expectation, ledger: Ledger, seen: Observed, now: Date): Decision {
  const { spec } = training;
  const step = ledger.current;
  if (training.metadata.deletionTimestamp !== undefined) return deleting(training, seen, now);
  // What runs was started from a spec that was good; it is stopped and resumed all the same where that is asked for.
  if (wanted.kind === 'invalid') {
    const actions = seen.jobs.flatMap((job) => (spec.suspend ? stopped(job) : resumed(job)));
    return { verdict: verdict('invalid', 'InvalidSpec', wanted.problems.join('; ')), actions };
  }
  if (!step) return { verdict: verdict('succeeded', 'Complete', 'All phases are complete.'), actions: stop(seen, undefined) };
  const name = jobName(training.metadata.name, step.task);
  if (seen.conflicts.includes(name))
    return {
      verdict: verdict('hindered', 'NameConflict', `Job ${name} belongs to another owner: delete it, or give this training another name`),
      actions: [],
    };
  const strays = stop(seen, step.job);
  if (step.record.stall)
    return { verdict: verdict('stalled', step.record.stall.reason, step.record.stall.message), actions: stop(seen, undefined) };
  if (spec.suspend) return suspended(step, strays);
  const { job, record } = step;
  if (job && builtBefore(job, step.digest)) return rebuild(job, strays);
  const deadlineSeconds = spec.progressDeadlineSeconds;
  const running = (): Omit<Decision, 'actions'> => working(step.task, seen, deadlineSeconds, now);
  const decision = job ? follow({ job, record, deadlineSeconds, running, strays, now }) : create(training, step, name, strays, seen, now);
  return outageFirst(decision, record, job, deadlineSeconds, now);
}

/** Foreground deletion of every unfinished Job but `keep`. */
function stop(seen: Observed, keep: ObservedJob | undefined): readonly Action[] {
  const unfinished = seen.jobs.filter(
    (job) => !job.deleting && job.uid !== keep?.uid && job.state.kind !== 'succeeded' && job.state.kind !== 'failed',
  );
  return unfinished.map(remove);
}

function suspended({ job }: Step, strays: readonly Action[]): Decision {
  return {
    verdict: verdict('suspended', 'Suspended', 'Stopped on request; set spec.suspend to false to go on.'),
    actions: [...strays, ...(job ? stopped(job) : [])],
  };
}

/** The next Job, as soon as nothing of this training's name is left that could still write. */
function create(
  training: TrainingObject,
  { task, record, digest }: Step,
  name: string,
  strays: readonly Action[],
  seen: Observed,
  now: Date,
): Decision {
  const leftover = seen.jobs.find((job) => sameTask(job.task, task) && !job.deleting);
  if (leftover)
    return {
      verdict: verdict('waiting', 'Restarting', `Job ${name} is being replaced.`),
      actions: [...strays.filter((action) => !('uid' in action) || action.uid !== leftover.uid), remove(leftover)],
    };
  const unfinished = [...seen.unfinishedPods, ...seen.jobs.filter((job) => job.deleting).map((job) => job.name)];
  if (strays.length > 0 || unfinished.length > 0) {
    return { ...previousPods(unfinished, seen.terminatingPods, training.spec.progressDeadlineSeconds, now), actions: strays };
  }
  if (seen.source && !seen.source.ready) return { verdict: verdict('waiting', 'WaitingForSource', seen.source.message), actions: [] };
  const backoffLimit = Math.max(0, training.spec.maxRestarts - (failuresOf(record) - record.forgivenFailures));
  const queued = training.spec.queue !== undefined;
  return {
    verdict: verdict('working', queued ? 'Queued' : 'Scheduling', `Creating Job ${name}.`),
    actions: [{ kind: 'createJob', name, task, digest, backoffLimit, queued }],
  };
}
