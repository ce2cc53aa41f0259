/** plan() for a SynthesisJob: one Indexed Job, once its checkpoint is there. Decisions only, no I/O. */
import { type Action, type Decision, expire, remove, stopped, verdict } from '../training/decision.ts';
import { taskDigest } from '../training/digest.ts';
import { builtBefore, follow, outageFirst, rebuild } from '../training/follow.ts';
import { lookAgain, previousPods } from '../training/lost-node.ts';
import type { ObservedJob } from '../training/observed.ts';
import { RETRY_ANNOTATION } from '../training/plan.ts';
import { failedStall, memoryStall } from '../training/stall.ts';
import type { Stall, TaskRecord } from '../../crds/v1alpha1/task-record.ts';
import { answer, count, failuresOf, NEW_RECORD, stateByJob } from '../training/task-record.ts';
import type { ObservedSynthesis, SynthesisObject, SynthesisStatus, SynthesisTask } from './observed.ts';
import { imagesDone, summarize } from './summary.ts';

/** SynthesisJobs have no deadline of their own: an outage of an hour waits for a person, too. */
const DEADLINE_SECONDS = 3600;

type SynthesisAction = Action<SynthesisTask>;
export type SynthesisPlan = {
  readonly actions: readonly SynthesisAction[];
  readonly status: SynthesisStatus;
  readonly lookAgainSeconds?: number;
};

type Step = { readonly record: TaskRecord; readonly job: ObservedJob<SynthesisTask> | undefined; readonly digest: string };

/** The whole of the operator's judgement about one SynthesisJob. Succeeded is terminal, whatever is deleted around it. */
export function planSynthesis(object: SynthesisObject, seen: ObservedSynthesis, now: Date): SynthesisPlan {
  const asked = object.metadata.annotations?.[RETRY_ANNOTATION];
  const step = remember(object, seen, asked !== undefined && asked !== object.status?.lastHandledRetry);
  const { verdict: said, actions, lookAgainSeconds: again } = decide(object, step, seen, now);
  const lookAgainSeconds = lookAgain(again, seen.terminatingPods, now);
  const { task } = object.status ?? {};
  const told = new Set(task?.state === 'Complete' || task?.state === 'Stalled' ? [task.job?.uid] : []);
  const status = summarize(object, step.record, seen, said, asked, now);
  return {
    actions: [...actions, ...expire(seen.jobs, told, object.spec.ttlSecondsAfterFinished, actions)],
    status,
    ...(lookAgainSeconds !== undefined && { lookAgainSeconds }),
  };
}

/** The name of the Job of a SynthesisJob. */
const synthesisJobName = (name: string): string => `${name}-synthesis`;

function decide({ metadata, spec }: SynthesisObject, step: Step, seen: ObservedSynthesis, now: Date): Decision<SynthesisTask> {
  const { record, job } = step;
  const name = synthesisJobName(metadata.name);
  if (metadata.deletionTimestamp !== undefined)
    return { verdict: verdict('deleting', 'Deleting', 'Its Job is deleted with it.'), actions: [] };
  if (record.state === 'Complete') return { verdict: verdict('succeeded', 'Complete', 'All images are written.'), actions: [] };
  if (seen.conflicts.includes(name)) {
    return {
      verdict: verdict(
        'hindered',
        'NameConflict',
        `Job ${name} belongs to another owner: delete it, or give this SynthesisJob another name`,
      ),
      actions: [],
    };
  }
  if (record.stall) {
    const going = job && (job.state.kind === 'active' || job.state.kind === 'queued') ? [remove(job)] : [];
    return { verdict: verdict('stalled', record.stall.reason, record.stall.message), actions: going };
  }
  if (spec.suspend) return suspended(job);
  if (job && builtBefore(job, step.digest)) return rebuild(job, []);
  const following = { record, deadlineSeconds: DEADLINE_SECONDS, running: () => ({ verdict: running(spec, seen) }), strays: [], now };
  const decision = job ? follow({ job, ...following }) : create({ metadata, spec }, step, name, seen, now);
  return outageFirst(decision, record, job, DEADLINE_SECONDS, now);
}

function create(
  { metadata, spec }: Pick<SynthesisObject, 'metadata' | 'spec'>,
  { record, digest }: Step,
  name: string,
  seen: ObservedSynthesis,
  now: Date,
): Decision<SynthesisTask> {
  const going = seen.jobs.filter((job) => job.deleting).map((job) => job.name);
  const unfinished = [...seen.unfinishedPods, ...going];
  const leftover = seen.jobs.find((job) => !job.deleting);
  if (leftover) return { verdict: verdict('waiting', 'Restarting', `Job ${name} is being replaced.`), actions: [remove(leftover)] };
  if (unfinished.length > 0) return { ...previousPods(unfinished, seen.terminatingPods, DEADLINE_SECONDS, now), actions: [] };
  const source = sourceOf(spec, seen);
  if (source.kind === 'refuse') return { verdict: verdict('invalid', 'Invalid', source.message), actions: [] };
  if (source.kind === 'wait') return { verdict: verdict('waiting', 'WaitingForTraining', source.message), actions: [] };
  const queued = spec.queue !== undefined;
  const backoffLimit = Math.max(0, spec.maxRestarts - (failuresOf(record) - record.forgivenFailures));
  const task: SynthesisTask = { kind: 'synthesize', checkpointUri: source.checkpointUri };
  return {
    verdict: verdict('working', queued ? 'Queued' : 'Scheduling', `Creating Job ${synthesisJobName(metadata.name)}.`),
    actions: [{ kind: 'createJob', name, task, digest, backoffLimit, queued }],
  };
}

type Source =
  | { readonly kind: 'wait'; readonly message: string }
  | { readonly kind: 'refuse'; readonly message: string }
  | { readonly kind: 'ready'; readonly checkpointUri: string };

function sourceOf(spec: SynthesisObject['spec'], { training }: ObservedSynthesis): Source {
  if (spec.checkpoint) return { kind: 'ready', checkpointUri: spec.checkpoint.uri };
  const name = spec.trainingRef?.name ?? '';
  if (!training) return { kind: 'wait', message: `There is no PGGANTraining ${name} in this namespace yet.` };
  if (spec.resolution !== undefined && spec.resolution > (training.resolution ?? spec.resolution)) {
    return {
      kind: 'refuse',
      message: `spec.resolution is ${spec.resolution}, but PGGANTraining ${name} trains for ${training.resolution}x${training.resolution}: create a SynthesisJob of at most ${training.resolution}, or of no resolution`,
    };
  }
  if (spec.waitForTraining && !training.succeeded) {
    return {
      kind: 'wait',
      message: training.stalled
        ? `PGGANTraining ${name} has stalled and waits for a person.`
        : `PGGANTraining ${name} has not succeeded yet.`,
    };
  }
  if (training.checkpointUri === undefined) return { kind: 'wait', message: `PGGANTraining ${name} has no checkpoint yet.` };
  return { kind: 'ready', checkpointUri: training.checkpointUri };
}

function suspended(job: Step['job']): Decision<SynthesisTask> {
  const said = verdict('suspended', 'Suspended', 'Stopped on request; set spec.suspend to false to go on.');
  return { verdict: said, actions: job ? stopped(job) : [] };
}

function running(spec: SynthesisObject['spec'], seen: ObservedSynthesis): Decision<SynthesisTask>['verdict'] {
  return verdict('working', 'Synthesizing', `At least ${imagesDone(spec.count, seen, spec.shards)} of ${spec.count} images are written.`);
}

function remember({ spec, status }: SynthesisObject, seen: ObservedSynthesis, retry: boolean): Step {
  const before = status?.task ?? NEW_RECORD;
  const digest = taskDigest(spec, { kind: 'synthesize' });
  const job = seen.jobs.find((candidate) => !candidate.deleting && candidate.uid !== before.dismissed);
  if (before.state === 'Complete') return { record: before, job, digest };
  const done = seen.progress.reduce((sum, { document }) => sum + document.done, 0);
  const counted = job ? count(before, job, { saved: done, shown: done, atWork: false }) : before;
  const stall = counted.stall ?? stallOf(counted, job, digest);
  const answered = stall ? retry || stall.digest !== digest : retry && job?.state.kind === 'failed';
  if (answered) return { record: answer(counted, job), job: undefined, digest };
  return { record: { ...counted, ...(stall && { stall }), state: stateByJob(job, stall !== undefined) }, job, digest };
}

/** A minibatch decides what is drawn, and cannot be changed. */
const ADVICE = {
  moreMemory: 'raise the memory limit of spec.template, or create another SynthesisJob with a smaller minibatch',
  answer: 'then set the annotation pggan.dev/retry to a new value, or edit spec.template',
};

function stallOf(record: TaskRecord, job: Step['job'], digest: string): Stall | undefined {
  const stall = (reason: string, message: string): Stall => ({ reason, message, digest });
  switch (job?.state.kind) {
    case 'failed':
      return failedStall(job, stall, ADVICE);
    // Its Job would try each shard maxRestarts times, with longer and longer pauses.
    case 'active':
      return memoryStall(job, record, stall, ADVICE);
    case 'queued':
    case 'suspended':
    case 'succeeded':
    case undefined:
      return undefined;
  }
}
