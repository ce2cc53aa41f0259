/** Which ends of pods are counted: those that nobody of ours asked for, and those for want of memory. */
import { EXIT } from '../../crds/errors.ts';
import type { PodFate } from '../training/observed.ts';
import { inQueue } from './metadata.ts';
import { failureOf, isDisrupted, podState } from './pods.ts';
import { runTakenIn } from './run-taken.ts';
import type { Job, Pod } from './wire.ts';

/**
 * The fate of a pod of a Job; undefined where it has none that is counted yet. One that is surely going is told before it has gone: it may be
 * away at the next look. What a suspended or deleted Job takes along was asked for, and so it stays, whatever is asked for afterwards; a queue
 * that suspends a Job preempts it.
 */
export function fateOf(pod: Pod, job: Job, now: Date): PodFate | undefined {
  const { metadata, spec } = job;
  if (pod.status?.phase === 'Succeeded') return undefined;
  const failure = failureOf(pod);
  const going = pod.metadata?.deletionTimestamp !== undefined;
  const deleted = metadata?.deletionTimestamp !== undefined;
  const held = spec?.suspend === true;
  const queued = inQueue(job);
  const asked = deleted || (held && !queued);
  const stopped = failure?.exitCode === EXIT.stopped && runTakenIn(pod) === undefined;
  const preempted = going && held && queued && !deleted;
  const lost = !failure && podState(pod, now).kind === 'lost';
  const evicted = isDisrupted(pod) && (going || failure !== undefined);
  const disrupted = evicted || preempted || lost || (stopped && !asked);
  const outOfMemory = failure?.outOfMemory ?? false;
  if (!disrupted && !outOfMemory && !(asked && (going || stopped))) return undefined;
  return { uid: pod.metadata?.uid ?? '', createdAt: pod.metadata?.creationTimestamp ?? '', disrupted, outOfMemory };
}
