/** Pods on nodes that are gone: Kubernetes neither ends nor replaces them, and no event tells that the time for it has passed. */
import { type Decision, verdict } from './decision.ts';
import type { TerminatingPod } from './observed.ts';

export const NODE_LOST = 'NodeLost';

/** @param whose such as "Job x-4's pod" */
export function nodeLost(whose: string): string {
  return `The node of ${whose} is gone: delete the node, or the pod by force once the node is surely off`;
}

/** The first of them whose node counts as lost. */
export function lostPod(pods: readonly TerminatingPod[] = [], now: Date): TerminatingPod | undefined {
  return pods.filter(({ lostAt }) => Date.parse(lostAt) <= now.getTime()).sort((a, b) => (a.lostAt < b.lostAt ? -1 : 1))[0];
}

/** When to look again: as a decision says, or when the next pod counts as lost. */
export function lookAgain(decided: number | undefined, pods: readonly TerminatingPod[] = [], now: Date): number | undefined {
  const lefts = pods.map(({ lostAt }) => (Date.parse(lostAt) - now.getTime()) / 1000).filter((left) => left > 0);
  const soonest = Math.min(decided ?? Infinity, ...lefts);
  return soonest === Infinity ? undefined : soonest;
}

/** Nothing is started before the pods and Jobs called `names` have ended; one on a lost node never will by itself. */
export function previousPods(
  names: readonly string[],
  pods: readonly TerminatingPod[] | undefined,
  deadlineSeconds: number,
  now: Date,
): Omit<Decision<never>, 'actions'> {
  const lost = lostPod(pods, now);
  if (!lost)
    return { verdict: verdict('waiting', 'WaitingForPreviousPods', `Waiting for ${names.join(', ') || 'an earlier Job'} to end.`) };
  const left = deadlineSeconds - (now.getTime() - Date.parse(lost.lostAt)) / 1000;
  const message = nodeLost(`pod ${lost.name}`);
  return left > 0
    ? { verdict: verdict('waiting', NODE_LOST, message), lookAgainSeconds: left }
    : { verdict: verdict('hindered', NODE_LOST, message) };
}
