/** From a verdict to the conditions of the status: one row per verdict, the same table as docs/states.md. */
import { type Condition, type ConditionStatus, transitioned } from '../kube/conditions.ts';
import type { ConditionType } from './status.ts';

/** Where an object stands. `reason` and `message` go to Progressing (and to Stalled, Succeeded, Accepted where the row says so). */
export type Verdict = {
  readonly kind: /** A spec that can never run. */
    | 'invalid'
    /** A process works on it. */
    | 'working'
    /** Nothing runs, and the next step comes by itself. */
    | 'waiting'
    /** Has failed and waits for a person: nothing goes on before its spec or its retry annotation changes. */
    | 'stalled'
    /** Waits for a person, too, but goes on by itself once what holds it up is gone. */
    | 'hindered'
    /** Stopped on request (spec.suspend). */
    | 'suspended'
    | 'succeeded'
    /** On its way out of the cluster. */
    | 'deleting';
  readonly reason: string;
  readonly message: string;
};

/** 'kept': as it was said before, such as how it ended of what is deleted now. */
type Row = Readonly<Record<ConditionType, ConditionStatus | 'absent' | 'kept'>>;

/** Suspended follows spec.suspend whatever else holds; Reconciling and Stalled exist only while True (kstatus). */
const CONDITIONS: Readonly<Record<Verdict['kind'], Omit<Row, 'Suspended'>>> = {
  invalid: { Accepted: 'False', Ready: 'False', Progressing: 'False', Succeeded: 'kept', Reconciling: 'absent', Stalled: 'True' },
  working: { Accepted: 'True', Ready: 'True', Progressing: 'True', Succeeded: 'Unknown', Reconciling: 'True', Stalled: 'absent' },
  waiting: { Accepted: 'True', Ready: 'True', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'True', Stalled: 'absent' },
  stalled: { Accepted: 'True', Ready: 'False', Progressing: 'False', Succeeded: 'False', Reconciling: 'absent', Stalled: 'True' },
  hindered: { Accepted: 'True', Ready: 'False', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'absent', Stalled: 'True' },
  suspended: { Accepted: 'True', Ready: 'True', Progressing: 'False', Succeeded: 'Unknown', Reconciling: 'absent', Stalled: 'absent' },
  succeeded: { Accepted: 'True', Ready: 'True', Progressing: 'False', Succeeded: 'True', Reconciling: 'absent', Stalled: 'absent' },
  deleting: { Accepted: 'kept', Ready: 'False', Progressing: 'False', Succeeded: 'kept', Reconciling: 'True', Stalled: 'absent' },
};

const ORDER: readonly ConditionType[] = ['Accepted', 'Ready', 'Progressing', 'Suspended', 'Succeeded', 'Reconciling', 'Stalled'];

/** The conditions of a verdict. */
export function conditionsOf(
  verdict: Verdict,
  suspended: boolean,
  previous: readonly Condition[],
  observedGeneration: number,
  now: Date,
): readonly Condition[] {
  const row: Row = { ...CONDITIONS[verdict.kind], Suspended: suspended ? 'True' : 'False' };
  const wanted = ORDER.flatMap((type) => {
    const cell = row[type];
    if (cell === 'absent') return [];
    const said = cell === 'kept' ? previous.find((condition) => condition.type === type) : undefined;
    const status = cell === 'kept' ? (said?.status ?? 'Unknown') : cell;
    const { reason, message } = said ?? words(type, status, verdict);
    return [{ type, status, reason, message, observedGeneration }];
  });
  return transitioned(wanted, previous, now);
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
