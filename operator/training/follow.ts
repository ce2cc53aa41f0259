/** The decision about a task whose Job exists: wait, resume, replace, or say what is wrong. */
import { type Action, type Decision, remove, resumed, verdict } from './decision.ts';
import type { ObservedJob, PodState } from './observed.ts';
import { NODE_LOST, nodeLost } from './lost-node.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';

const POD_PATIENCE_SECONDS = 60;
/** What pods said grows old, and nobody tells of that. */
const LOOK_SECONDS = 60;
const STORE_DELAY_SECONDS = { first: 30, longest: 600 } as const;

/** What following a Job needs to know of its object. */
export type Following<T> = {
  readonly job: ObservedJob<T>;
  readonly record: TaskRecord;
  /** Seconds after which an outage that may end by itself waits for a person, too. */
  readonly deadlineSeconds: number;
  /** What a running pod is doing. */
  readonly running: () => Omit<Decision<T>, 'actions'>;
  /** Deletions of Jobs that should not be; they go along with every answer. */
  readonly strays: readonly Action<T>[];
  readonly now: Date;
};

export function follow<T>(following: Following<T>): Decision<T> {
  const { job, strays } = following;
  const { name, state } = job;
  switch (state.kind) {
    case 'queued':
      return { verdict: verdict('waiting', 'Queued', `Job ${name} waits for its queue.`), actions: strays };
    case 'suspended':
      return { verdict: verdict('working', 'Scheduling', `Resuming Job ${name}.`), actions: [...strays, ...resumed(job)] };
    case 'active':
      return { ...watch(following, state.pod), actions: strays };
    case 'succeeded':
      return {
        verdict: verdict('waiting', 'Extending', 'totalKimg was raised: the last phase goes on.'),
        actions: [...strays, remove(job)],
      };
    case 'failed':
      return storeAway(following, state.finishedAt);
  }
}

/** A Job whose pod runs, or should. What is unknown is never called stalled. */
function watch<T>({ job, deadlineSeconds, running, now }: Following<T>, pod: PodState): Omit<Decision<T>, 'actions'> {
  const overdue = (since: string, reason: string, message: string): Omit<Decision<T>, 'actions'> => {
    const left = deadlineSeconds - secondsSince(since, now);
    return left <= 0
      ? { verdict: verdict('hindered', reason, message) }
      : { verdict: verdict('waiting', reason, message), lookAgainSeconds: left };
  };
  const taken = ({ since, message }: NonNullable<ObservedJob<T>['runTaken']>): Omit<Decision<T>, 'actions'> => {
    const { lookAgainSeconds = LOOK_SECONDS, ...said } = overdue(
      since,
      'RunOwned',
      `Job ${job.name} tries again until its run is free: ${message}`,
    );
    return { ...said, lookAgainSeconds: Math.min(LOOK_SECONDS, lookAgainSeconds) };
  };
  // One sentence for a pod that is not there yet and one that waits for a node: the status is not written anew for what passes in a second.
  const waiting = `Job ${job.name} waits for its pod to start.`;
  switch (pod.kind) {
    case 'none': {
      if (job.runTaken) return taken(job.runTaken);
      const left = POD_PATIENCE_SECONDS - secondsSince(pod.since, now);
      if (left > 0) return { verdict: verdict('working', 'Scheduling', waiting), lookAgainSeconds: left };
      const words = pod.message ?? `kubectl events --for job/${job.name} has the server's words (quota, pod security)`;
      return overdue(pod.since, 'PodsNotCreated', `Job ${job.name} gets no pod: ${words}`);
    }
    case 'pending':
      if (job.runTaken) return taken(job.runTaken);
      return { verdict: verdict('working', 'Scheduling', pod.message ?? waiting) };
    case 'lost':
      return overdue(pod.since, NODE_LOST, nodeLost(`Job ${job.name}'s pod`));
    case 'running':
      return running();
  }
}

/** Exit 4: no failure is counted, the Job is replaced after a delay that doubles with the length of the outage. */
function storeAway<T>({ job, record, deadlineSeconds, strays, now }: Following<T>, finishedAt: string): Decision<T> {
  const since = record.storeFailure?.since ?? finishedAt;
  const outage = (Date.parse(finishedAt) - Date.parse(since)) / 1000;
  const delay = Math.min(STORE_DELAY_SECONDS.longest, Math.max(STORE_DELAY_SECONDS.first, outage));
  const left = delay - secondsSince(finishedAt, now);
  const overdue = secondsSince(since, now) >= deadlineSeconds;
  const message = `${job.failure?.message ?? 'the store cannot be reached'}; trying again ${left > 0 ? `in ${Math.ceil(left)} s` : 'now'}`;
  const said = verdict(overdue ? 'hindered' : 'waiting', 'StoreUnavailable', message);
  return left > 0 ? { verdict: said, actions: strays, lookAgainSeconds: left } : { verdict: said, actions: [...strays, remove(job)] };
}

/** A process that runs for as long has reached its store, though it tells nobody (OUTAGE_SECONDS of the trainer is 120). */
const REACHED_SECONDS = 600;

/**
 * An outage that has lasted beyond the deadline is over when work has gone on after it, not when the next Job tries again: its condition would
 * come and go with every try.
 */
export function outageFirst<T>(
  decision: Decision<T>,
  { storeFailure }: TaskRecord,
  job: ObservedJob<unknown> | undefined,
  deadlineSeconds: number,
  now: Date,
): Decision<T> {
  const { kind, message } = decision.verdict;
  const goesOn = kind === 'working' || kind === 'waiting';
  if (!storeFailure || !goesOn || secondsSince(storeFailure.since, now) < deadlineSeconds) return decision;
  const runs = job?.state.kind === 'active' && job.state.pod.kind === 'running';
  const left = runs && job.lastStartedAt !== undefined ? REACHED_SECONDS - secondsSince(job.lastStartedAt, now) : undefined;
  if (left !== undefined && left <= 0) return decision;
  const text = `No pod has reached the store since ${storeFailure.since}; trying again: ${message}`;
  const lookAgainSeconds = Math.min(left ?? Infinity, decision.lookAgainSeconds ?? Infinity);
  return {
    ...decision,
    verdict: verdict('hindered', 'StoreUnavailable', text),
    ...(Number.isFinite(lookAgainSeconds) && { lookAgainSeconds }),
  };
}

/**
 * Whether a Job was built from another spec than the one that holds now, and no process of it runs: one that runs is left to its end. Also one
 * that waits for a queue or a node that there is not, or was suspended, comes to what its spec was mended to.
 */
export function builtBefore({ digest, state, podsEnded }: ObservedJob<unknown>, wanted: string): boolean {
  if (digest === wanted) return false;
  switch (state.kind) {
    case 'queued':
    case 'suspended':
      return true;
    case 'active':
      return podsEnded === 0 && (state.pod.kind === 'none' || state.pod.kind === 'pending');
    case 'succeeded':
    case 'failed':
      return false;
  }
}

/** The answer to a Job that was built from an earlier spec. */
export function rebuild<T>(job: ObservedJob<T>, strays: readonly Action<T>[]): Decision<T> {
  const said = verdict('waiting', 'Restarting', `Job ${job.name} is made again from the edited spec.`);
  return { verdict: said, actions: [...strays, remove(job)] };
}

export function secondsSince(time: string, now: Date): number {
  return (now.getTime() - Date.parse(time)) / 1000;
}
