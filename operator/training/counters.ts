/** Counts of pods by uid, each once however often it is seen: the uids that were counted are part of the status, and outlive the operator. */
import type { PodFate } from './observed.ts';

export type Counters = {
  readonly disruptions: number;
  readonly outOfMemory: number;
  /** The newest first; absent where no pod had a fate yet. */
  readonly countedPods?: readonly string[];
};

/** Pods that are looked at, the newest: older ones were when they were new. A Job that is preempted every night has hundreds. */
const NEWEST = 16;
/** Of those that are gone some are remembered, should an outdated view show them once more. */
const REMEMBERED = 32;

export function countFates(before: Partial<Counters> | undefined, fates: readonly PodFate[]): Counters {
  const known = before?.countedPods ?? [];
  const seen = fates.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt)).slice(0, NEWEST);
  const fresh = seen.filter(({ uid }) => !known.includes(uid));
  const uids = seen.map(({ uid }) => uid);
  // In the order in which they were first seen, so that an unchanged world is an unchanged status.
  const countedPods = [...fresh.map(({ uid }) => uid), ...known.filter((uid) => uids.includes(uid))];
  countedPods.push(...known.filter((uid) => !uids.includes(uid)));
  return {
    disruptions: (before?.disruptions ?? 0) + fresh.filter(({ disrupted }) => disrupted).length,
    outOfMemory: (before?.outOfMemory ?? 0) + fresh.filter(({ outOfMemory }) => outOfMemory).length,
    ...(countedPods.length > 0 && { countedPods: countedPods.slice(0, REMEMBERED) }),
  };
}
