/** Processes that find their run taken: after a crash, until its lease has run out, or because another cluster or a laptop writes to it. */
import type { ErrorCode } from '../../crds/errors.ts';
import type { ObservedJob } from '../training/observed.ts';
import { endedAt, hasEnded, lastDocument, startedAt } from './pods.ts';
import type { Pod } from './wire.ts';

/**
 * What a process said that ended because another one may still write to its run, and did no work. The next one tries again. One that had the run
 * already, and lost it to another, has worked: its attempt was counted in the run.
 */
export function runTakenIn(pod: Pod): string | undefined {
  const document = pod.status?.phase === 'Failed' ? lastDocument(pod) : undefined;
  const worked = document?.kind === 'training' && document.attempt > 0;
  return document?.failure?.code === ('RunOwned' satisfies ErrorCode) && !worked ? document.failure.message : undefined;
}

/** Starts of their processes, in this order. */
export const startsOf = (pods: readonly Pod[]): readonly string[] => pods.flatMap((pod) => startedAt(pod) ?? []).sort();

/** A Job controller waits for at most ten minutes between two pods: what a pod said longer ago is about another one. */
const TAKEN_SECONDS = 900;
/** How long a process takes to find out whether its run is free. */
const ASKING_SECONDS = 60;

/** The row of processes at the end of which the last one found its run taken: nothing has worked since it began. */
export function runTakenOf(pods: readonly Pod[], now: Date): ObservedJob<unknown>['runTaken'] {
  const [lastWork = ''] = startsOf(pods.filter((pod) => hasEnded(pod) && runTakenIn(pod) === undefined)).toReversed();
  const row = pods
    .filter((pod) => runTakenIn(pod) !== undefined && endedAt(pod) > lastWork)
    .sort((a, b) => (endedAt(a) < endedAt(b) ? -1 : 1));
  const [first, last] = [row[0], row.at(-1)];
  if (!first || !last || now.getTime() - Date.parse(endedAt(last)) > TAKEN_SECONDS * 1000) return undefined;
  return { since: endedAt(first), message: runTakenIn(last) ?? '' };
}

/** A process that has just started, and may find its run taken like the one before it. */
export function asks(pod: Pod, now: Date): boolean {
  const start = hasEnded(pod) || pod.metadata?.deletionTimestamp !== undefined ? undefined : startedAt(pod);
  return start !== undefined && now.getTime() - Date.parse(start) < ASKING_SECONDS * 1000;
}
