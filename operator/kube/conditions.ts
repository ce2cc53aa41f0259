/** Conditions of a status: a list keyed by type whose times tell since when, not when last looked at. */

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export type Condition = {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
};

/** The wanted conditions, in their order. lastTransitionTime moves only where a condition's status does: a new message is no transition. */
export function transitioned(
  wanted: readonly Omit<Condition, 'lastTransitionTime'>[],
  previous: readonly Condition[],
  now: Date,
): readonly Condition[] {
  return wanted.map((condition) => {
    const known = previous.find(({ type }) => type === condition.type);
    return { ...condition, lastTransitionTime: known?.status === condition.status ? known.lastTransitionTime : wholeSeconds(now) };
  });
}

/** True where the conditions say that `type` is True. */
export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

/** RFC 3339 with whole seconds, as metav1.Time is written. */
function wholeSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
