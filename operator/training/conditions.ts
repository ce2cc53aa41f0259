/** From a verdict to the conditions of the status: one row per verdict, the same table as docs/states.md. */
import type { Condition, ConditionStatus, ConditionType } from './status.ts';

/** Where an object stands. `reason` and `message` go to Progressing (and to Stalled, Succeeded, Accepted where the row says so). */
export type Verdict = {
  readonly kind: /** A spec that can never run. */
    | 'invalid'
    /** A process works on it. */
    | 'working'
    /** Nothing runs, and the next step comes by itself. */
    | 'waiting'
    /** Waits for a person; `recovers` where it also goes on by itself. */
    | 'stalled'
    /** Stopped on request (spec.suspend). */
    | 'suspended'
    | 'succeeded'
    /** On its way out of the cluster. */
    | 'deleting';
  readonly reason: string;
  readonly message: string;
};

type Row = Readonly<Record<ConditionType, ConditionStatus | 'absent'>>;

/** Suspended follows spec.suspend whatever else holds; Reconciling and Stalled exist only while True (kstatus). */
const CONDITIONS: Readonly<Record<Verdict['kind'], Omit<Row, 'Suspended'>>> = {
  invalid: { Accepted: 'False', Ready: 'False', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'absent', Stalled: 'True' },
  working: { Accepted: 'True', Ready: 'True', Progressing: 'True', Succeeded: 'Unknown', Reconciling: 'True', Stalled: 'absent' },
  waiting: { Accepted: 'True', Ready: 'True', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'True', Stalled: 'absent' },
  stalled: { Accepted: 'True', Ready: 'False', Progressing: 'False', Succeeded: 'False', Reconciling: 'absent', Stalled: 'True' },
  suspended: { Accepted: 'True', Ready: 'True', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'absent', Stalled: 'absent' },
  succeeded: { Accepted: 'True', Ready: 'True', Progressing: 'False', Succeeded: 'True', Reconciling: 'absent', Stalled: 'absent' },
  deleting: { Accepted: 'True', Ready: 'False', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'True', Stalled: 'absent' },
};

const ORDER: readonly ConditionType[] = ['Accepted', 'Ready', 'Progressing', 'Suspended', 'Succeeded', 'Reconciling', 'Stalled'];

/** The conditions of a verdict. lastTransitionTime moves only where a condition's status does. */
export function conditionsOf(
  verdict: Verdict,
  suspended: boolean,
  previous: readonly Condition[],
  observedGeneration: number,
  now: Date,
): readonly Condition[] {
  const row: Row = { ...CONDITIONS[verdict.kind], Suspended: suspended ? 'True' : 'False' };
  return ORDER.flatMap((type) => {
    const status = row[type];
    if (status === 'absent') return [];
    const known = previous.find((condition) => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : wholeSeconds(now);
    return [{ type, status, ...words(type, status, verdict), observedGeneration, lastTransitionTime }];
  });
}

/** True where the conditions say that `type` is True. */
export function isTrue(conditions: readonly Condition[] | undefined, type: ConditionType): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

/** RFC 3339 with whole seconds, as metav1.Time is written. */
function wholeSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

function words(
  type: ConditionType,
  status: ConditionStatus,
  { reason, message }: Verdict,
): { readonly reason: string; readonly message: string } {
  switch (type) {
    case 'Accepted':
      return status === 'True' ? { reason: 'Valid', message: 'The spec is valid.' } : { reason, message };
    case 'Ready':
      return { reason, message };
    case 'Suspended':
      return status === 'True'
        ? { reason: 'SuspendRequested', message: 'spec.suspend is true.' }
        : { reason: 'NotSuspended', message: 'spec.suspend is not set.' };
    case 'Succeeded':
      return status === 'Unknown' ? { reason: 'Unfinished', message: 'It has not ended yet.' } : { reason, message };
    case 'Progressing':
    case 'Reconciling':
    case 'Stalled':
      return { reason, message };
  }
}
