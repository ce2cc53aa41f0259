/** Shows Jobs and their pods, as the API server lists them, the way that plan() wants to see them. */
import { asError, EXIT } from '../../crds/errors.ts';
import type { JobFailure, JobState, JobTimes, ObservedJob, PodState, TerminatingPod } from '../training/observed.ts';
import { ANNOTATIONS, inQueue, type Owner } from './metadata.ts';
import { endedAt, failureOf, hasEnded, isDisrupted, lostAt, podState, startedAt } from './pods.ts';
import { asks, runTakenIn, runTakenOf, startsOf } from './run-taken.ts';
import { indexesOf, shardOf } from './shards.ts';
import type { Job, Pod } from './wire.ts';

/** What is listed in the owner's namespace: Jobs by name or owner, pods by label. */
export type Listed = {
  readonly owner: Owner;
  readonly jobs: readonly Job[];
  readonly pods: readonly Pod[];
  /** Why pods of a Job are refused (a warning at its creation, an event), by uid of the Job. */
  readonly refusals: ReadonlyMap<string, string>;
  readonly now: Date;
};

export type Whose = { readonly ours: readonly Job[]; readonly conflicts: readonly string[]; readonly leftovers: readonly string[] };

/**
 * Sorts listed Jobs: ours by the uid of their owner; those of an earlier object of our name, which are on their way out with it; and those of
 * others, whose name is in the way.
 */
export function whose({ owner, jobs }: Pick<Listed, 'owner' | 'jobs'>): Whose {
  const { kind, metadata } = owner;
  const isOurs = (job: Job): boolean => ownerOf(job)?.uid === metadata.uid;
  const isFormer = (job: Job): boolean => !isOurs(job) && ownerOf(job)?.kind === kind && ownerOf(job)?.name === metadata.name;
  return {
    ours: jobs.filter(isOurs),
    leftovers: jobs.filter(isFormer).map(nameOf),
    conflicts: jobs.filter((job) => !isOurs(job) && !isFormer(job)).map(nameOf),
  };
}

/** One Job of ours with its pods. `parse` reads the task that the Job was built for. @throws {RangeError} where a Job of ours has none */
export function observedJob<T>(job: Job, listed: Listed, parse: (task: unknown) => T | undefined): ObservedJob<T> {
  const { refusals, now } = listed;
  const uid = job.metadata?.uid ?? '';
  const own = podsOf(job, listed);
  const withoutSuccess = own.filter((pod) => pod.status?.phase === 'Failed').sort((a, b) => (endedAt(a) < endedAt(b) ? -1 : 1));
  const runTaken = runTakenOf(own, now);
  const ended = withoutSuccess.filter((pod) => runTakenIn(pod) === undefined);
  // Its controller gathers ends for a second before it counts them; what its podFailurePolicy ignores it never does.
  const counted = ended.filter((pod) => !isDisrupted(pod) && failureOf(pod)?.exitCode !== EXIT.stopped && !pod.metadata?.deletionTimestamp);
  const podsFailed = Math.max(job.status?.failed ?? 0, counted.length);
  const podsWithoutStore = withoutStore(job, ended);
  const state = stateOf(job, runTaken ? own.filter((pod) => !asks(pod, now)) : own, refusals.get(uid), now);
  const times = timesOf(job, own);
  const failure = whyEnded(job, ended);
  const [lastStartedAt] = startsOf(own.filter((pod) => runTakenIn(pod) === undefined && !(runTaken && asks(pod, now)))).toReversed();
  return {
    name: nameOf(job),
    uid,
    task: taskOf(job, parse),
    digest: job.metadata?.annotations?.[ANNOTATIONS.digest] ?? '',
    deleting: job.metadata?.deletionTimestamp !== undefined,
    expires: job.spec?.ttlSecondsAfterFinished !== undefined,
    state,
    inQueue: inQueue(job),
    createdAt: job.metadata?.creationTimestamp ?? '',
    ...(times && { times }),
    podsFailed,
    ...(podsWithoutStore > 0 && { podsWithoutStore }),
    // Ends that its Job does not count are seen as long as their pods are there.
    podsEnded: Math.max(podsFailed, ended.length),
    ...(runTaken && { runTaken }),
    ...(lastStartedAt !== undefined && { lastStartedAt }),
    ...(failure && { failure }),
  };
}

export function podsOf(job: Job, { pods }: Pick<Listed, 'pods'>): readonly Pod[] {
  return pods.filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uid === job.metadata?.uid));
}

/** Pods of our own Jobs; others have our label. */
export function ownPods(listed: Listed): readonly Pod[] {
  const uids = new Set(whose(listed).ours.map(({ metadata }) => metadata?.uid));
  return listed.pods.filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uids.has(uid)));
}

/** A Job controller gathers ends of pods for a second before it counts them. */
const COUNTED_WITHIN_SECONDS = 5;

/** True in the moment between the good end of a pod and that of its Job: what could be told now is told with it, in one piece. */
export function endsNow(listed: Listed): boolean {
  const { ours } = whose(listed);
  const ends = ours.filter((job) => finishOf(job) === undefined).flatMap((job) => uncounted(job, podsOf(job, listed)));
  return ends.some((pod) => Math.abs(listed.now.getTime() - Date.parse(endedAt(pod))) < COUNTED_WITHIN_SECONDS * 1000);
}

/** Names of pods that have not ended. */
export function unfinished(pods: readonly Pod[]): readonly string[] {
  return pods.filter((pod) => !hasEnded(pod)).map(nameOf);
}

/** Those that have not ended though they were told to, whether or not their nodes are there to hear it. */
export function terminating(pods: readonly Pod[]): readonly TerminatingPod[] {
  return pods.flatMap((pod) => {
    const { deletionTimestamp } = pod.metadata ?? {};
    return deletionTimestamp === undefined || hasEnded(pod) ? [] : [{ name: nameOf(pod), lostAt: lostAt(deletionTimestamp) }];
  });
}

const ownerOf = ({ metadata }: Job) => metadata?.ownerReferences?.find(({ controller }) => controller);
const nameOf = ({ metadata }: Job | Pod): string => metadata?.name ?? '';

function taskOf<T>(job: Job, parse: (task: unknown) => T | undefined): T {
  const text = job.metadata?.annotations?.[ANNOTATIONS.task] ?? '';
  const refuse = (why: string): never => {
    throw new RangeError(`Job ${nameOf(job)} has no readable annotation ${ANNOTATIONS.task} (${why}): delete the Job, it is made again`);
  };
  try {
    return parse(JSON.parse(text)) ?? refuse(text);
  } catch (error) {
    return error instanceof RangeError ? refuse(text) : refuse(asError(error).message);
  }
}

function finishOf({ status }: Job) {
  return status?.conditions?.find(({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True');
}

function stateOf(job: Job, pods: readonly Pod[], refusal: string | undefined, now: Date): JobState {
  const end = finishOf(job);
  if (end) {
    const finishedAt = job.status?.completionTime ?? end.lastTransitionTime ?? now.toISOString();
    return { kind: end.type === 'Complete' ? 'succeeded' : 'failed', finishedAt };
  }
  if (job.spec?.suspend) return { kind: inQueue(job) ? 'queued' : 'suspended' };
  if (uncounted(job, pods).length > 0) return { kind: 'active', pod: { kind: 'running' } };
  return { kind: 'active', pod: liveliest(job, pods, refusal, now) };
}

/** Pods that have succeeded, of a Job that does not know yet. They speak for it until it does: it does not wait for another one. */
function uncounted({ status }: Job, pods: readonly Pod[]): readonly Pod[] {
  const succeeded = pods.filter((pod) => pod.status?.phase === 'Succeeded');
  const met = status?.conditions?.some(({ type, status: is }) => type === 'SuccessCriteriaMet' && is === 'True') ?? false;
  return met || succeeded.length > (status?.succeeded ?? 0) ? succeeded : [];
}

/** A Job that goes on after it was suspended starts anew: pods that ended before are of an earlier start. */
function timesOf(job: Job, pods: readonly Pod[]): JobTimes | undefined {
  const { metadata, spec, status } = job;
  if (spec?.suspend) {
    if (!inQueue(job)) return undefined;
    const stopped = status?.conditions?.find(({ type, status: is }) => type === 'Suspended' && is === 'True');
    const since = stopped?.lastTransitionTime ?? metadata?.creationTimestamp;
    return since === undefined ? undefined : { kind: 'queued', since };
  }
  const at = status?.startTime;
  if (at === undefined) return undefined;
  const own = pods.filter((pod) => !hasEnded(pod) || Date.parse(endedAt(pod)) > Date.parse(at));
  const [first] = own.flatMap((pod) => startedAt(pod) ?? []).sort();
  return { kind: 'admitted', at, ...(first !== undefined && { startedAt: first }) };
}

/** A pod that is lost speaks for its Job, whatever other shards do: it needs a person. Else one that runs, else one that waits. */
function liveliest(job: Job, pods: readonly Pod[], refusal: string | undefined, now: Date): PodState {
  const states = pods.filter((pod) => !hasEnded(pod)).map((pod) => podState(pod, now));
  for (const kind of ['lost', 'running', 'pending'] as const) {
    const found = states.find((state) => state.kind === kind);
    if (found) return found;
  }
  const since = [job.metadata?.creationTimestamp, job.status?.startTime, ...pods.map(endedAt)].flatMap((time) => time ?? []);
  return { kind: 'none', since: since.sort().at(-1) ?? now.toISOString(), ...(refusal !== undefined && { message: refusal }) };
}

/**
 * How the pod ended that ended last. A Job that fails stops its other pods: they end later than the one that failed it, and tell nothing of why.
 * @param ended pods without success, in the order in which they ended
 */
function whyEnded(job: Job, ended: readonly Pod[]): JobFailure | undefined {
  const told = failureByCondition(job);
  const failedShards = indexesOf(job.status?.failedIndexes);
  const explains = (pod: Pod): boolean => {
    // A shard that failed once and then went on explains nothing.
    if (failedShards.length > 0 && !failedShards.includes(shardOf(pod) ?? -1)) return false;
    const exitCode = failureOf(pod)?.exitCode;
    return told?.exitCode === undefined ? exitCode !== EXIT.stopped && !isDisrupted(pod) : exitCode === told.exitCode;
  };
  const last = ended.findLast((pod) => told === undefined || explains(pod));
  return (last && failureOf(last)) ?? told;
}

/** Pods of shards may all find the store away, and their Job counts each of them. */
function withoutStore(job: Job, ended: readonly Pod[]): number {
  const seen = ended.filter((pod) => failureOf(pod)?.exitCode === EXIT.storeUnavailable && !isDisrupted(pod)).length;
  return Math.max(seen, failureByCondition(job)?.exitCode === EXIT.storeUnavailable ? 1 : 0);
}

/** Where the pods of a failed Job are gone already, its own condition tells the exit code that failed it. */
function failureByCondition(job: Job): JobFailure | undefined {
  const failed = job.status?.conditions?.find(({ type, status }) => type === 'Failed' && status === 'True');
  if (!failed) return undefined;
  const [, code] = / exit code (\d+) matching FailJob/.exec(failed.message ?? '') ?? [];
  const message = failed.message ?? failed.reason ?? 'it failed';
  return { ...(failed.reason === 'PodFailurePolicy' && code !== undefined && { exitCode: Number(code) }), outOfMemory: false, message };
}
