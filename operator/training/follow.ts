/** The decision about a step whose Job exists: wait, resume, replace, or say what is wrong. */
import { type Action, type Decision, remove, verdict } from './decision.ts';
import type { Verdict } from './conditions.ts';
import type { TrainingObject } from './expectation.ts';
import type { Observed, ObservedJob, PodState } from './observed.ts';
import type { Step } from './records.ts';

const POD_PATIENCE_SECONDS = 60;
const STORE_DELAY_SECONDS = { first: 30, longest: 600 } as const;

/** `strays` are deletions of Jobs that should not be; they go along with every answer. */
export function follow(
  training: TrainingObject,
  step: Step,
  job: ObservedJob,
  strays: readonly Action[],
  seen: Observed,
  now: Date,
): Decision {
  const { state } = job;
  switch (state.kind) {
    case 'queued':
      return { verdict: verdict('waiting', 'Queued', `Job ${job.name} waits for its queue.`), actions: strays };
    case 'suspended': {
      const resume: Action = { kind: 'setSuspend', name: job.name, uid: job.uid, suspend: false };
      return { verdict: verdict('working', 'Scheduling', `Resuming Job ${job.name}.`), actions: [...strays, resume] };
    }
    case 'active':
      return { ...watch(training, step, job, state.pod, seen, now), actions: strays };
    case 'succeeded':
      return {
        verdict: verdict('waiting', 'Extending', 'totalKimg was raised: the last phase goes on.'),
        actions: [...strays, remove(job)],
      };
    case 'failed':
      return { ...storeAway(training, step, job, state.finishedAt, now, strays) };
  }
}

/** A Job whose pod runs, or should. What is unknown is never called stalled. */
function watch(
  training: TrainingObject,
  { task }: Step,
  job: ObservedJob,
  pod: PodState,
  seen: Observed,
  now: Date,
): Omit<Decision, 'actions'> {
  const deadline = training.spec.progressDeadlineSeconds;
  const overdue = (since: string, reason: string, message: string): Omit<Decision, 'actions'> => {
    const left = deadline - seconds(since, now);
    return left <= 0
      ? { verdict: verdict('stalled', reason, message) }
      : { verdict: verdict('waiting', reason, message), lookAgainSeconds: left };
  };
  switch (pod.kind) {
    case 'none': {
      const left = POD_PATIENCE_SECONDS - seconds(pod.since, now);
      if (left > 0) return { verdict: verdict('working', 'Scheduling', `Job ${job.name} creates its pod.`), lookAgainSeconds: left };
      return overdue(
        pod.since,
        'PodsNotCreated',
        `Job ${job.name} gets no pod: ${pod.message ?? 'see the events of the Job (quota, pod security)'}`,
      );
    }
    case 'pending':
      return { verdict: verdict('working', 'Scheduling', pod.message ?? `The pod of Job ${job.name} waits for a node.`) };
    case 'lost':
      return overdue(
        pod.since,
        'NodeLost',
        `The node of Job ${job.name}'s pod is gone: delete the node, or the pod by force once the node is surely off`,
      );
    case 'running': {
      if (task.kind === 'preflight') return { verdict: verdict('working', 'Preflight', 'Checking store, dataset and run folder.') };
      const progress = seen.progress?.document.resolution === task.resolution ? seen.progress : undefined;
      if (!progress?.fresh) return { verdict: verdict('working', 'Training', `Job ${job.name} runs.`) };
      if (seconds(progress.unmovedSince, now) >= deadline) {
        return {
          verdict: verdict(
            'stalled',
            'NoProgress',
            `No image was trained on for ${deadline} s though the trainer answers; it goes on by itself if images advance.`,
          ),
        };
      }
      return { verdict: running(progress.document), lookAgainSeconds: deadline - seconds(progress.unmovedSince, now) };
    }
  }
}

function running({ state, resolution }: NonNullable<Observed['progress']>['document']): Verdict {
  const size = `${resolution}x${resolution}`;
  switch (state) {
    case 'FadingIn':
      return verdict('working', 'FadingIn', `Fading in ${size}.`);
    case 'Checkpointing':
      return verdict('working', 'Checkpointing', `Saving a checkpoint at ${size}.`);
    case 'Starting':
      return verdict('working', 'Starting', `The trainer of ${size} starts.`);
    case 'Training':
    case 'Complete':
    case 'Stopped':
    case 'Failed':
      return verdict('working', 'Training', `Training at ${size}.`);
  }
}

/** Exit 4: no failure is counted, the Job is replaced after a delay that doubles with the length of the outage. */
function storeAway(
  training: TrainingObject,
  { record }: Step,
  job: ObservedJob,
  finishedAt: string,
  now: Date,
  strays: readonly Action[],
): Decision {
  const since = record.storeFailure?.since ?? finishedAt;
  const outage = (Date.parse(finishedAt) - Date.parse(since)) / 1000;
  const delay = Math.min(STORE_DELAY_SECONDS.longest, Math.max(STORE_DELAY_SECONDS.first, outage));
  const left = delay - seconds(finishedAt, now);
  const stalled = seconds(since, now) >= training.spec.progressDeadlineSeconds;
  const message = `${job.failure?.message ?? 'the store cannot be reached'}; trying again ${left > 0 ? `in ${Math.ceil(left)} s` : 'now'}`;
  const said = verdict(stalled ? 'stalled' : 'waiting', 'StoreUnavailable', message);
  return left > 0 ? { verdict: said, actions: strays, lookAgainSeconds: left } : { verdict: said, actions: [...strays, remove(job)] };
}

function seconds(since: string, now: Date): number {
  return (now.getTime() - Date.parse(since)) / 1000;
}
