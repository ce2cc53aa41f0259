/** What becomes of a plan whose Job the API server will not have: a person must act (quota, policy), and it goes on by itself once that is mended. */
import type { Condition } from '../kube/conditions.ts';
import { conditionsOf } from '../training/conditions.ts';
import { verdict } from '../training/decision.ts';
import type { TrainingObject } from '../training/expectation.ts';
import type { Enacted } from './enact.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';
import type { Memory } from './attempts.ts';

/** When a Job that was refused, or whose name was taken, is tried again. */
const REFUSED_SECONDS = 60;
/** When the way is looked at again that a pod blocks which nobody tells of. */
const BLOCKED_SECONDS = 5;
const JOB_REFUSED = 'JobRefused';

type Planned = {
  readonly actions: readonly { readonly kind: string }[];
  readonly lookAgainSeconds?: number;
};
type Asking = {
  readonly metadata: TrainingObject['metadata'];
  readonly spec: { readonly suspend: boolean };
  readonly status?: {
    readonly observedGeneration: number;
    readonly conditions: readonly Condition[];
    readonly preflight?: TaskRecord;
    readonly task?: TaskRecord;
  };
};

/** The plan instead: nothing is done, and the refusal is what is said. */
export function refused<S extends object>(plan: { readonly status: S }, { metadata, spec, status }: Asking, refusal: string, now: Date) {
  const said = verdict('hindered', JOB_REFUSED, `${refusal}; it is tried again every minute`);
  const conditions = conditionsOf(said, spec.suspend, status?.conditions ?? [], metadata.generation, now);
  return { actions: [], status: { ...plan.status, conditions }, lookAgainSeconds: REFUSED_SECONDS };
}

/** Whether the server is to be asked about the Jobs of a plan first: before the first of all, after an edit, and as long as one was refused. */
export function askFirst({ actions }: Planned, { metadata, status }: Asking, { suspicious }: Memory): boolean {
  const known = status?.conditions.find(({ type }) => type === 'Stalled')?.reason === JOB_REFUSED;
  const first = status?.preflight?.job === undefined && status?.task?.job === undefined;
  const due = first || status?.observedGeneration !== metadata.generation || known || suspicious;
  return due && actions.some(({ kind }) => kind === 'createJob');
}

/** A Job that was refused though its trial was not is tried again at once, which says why, and then at leisure. */
export function waitSeconds({ hindrance, written }: Enacted, { actions, lookAgainSeconds }: Planned, memory: Memory): number | undefined {
  const known = memory.suspicious;
  if (hindrance?.kind === 'refused') {
    memory.suspicious = true;
    return known ? REFUSED_SECONDS : 1;
  }
  if (hindrance?.kind === 'blocked') return BLOCKED_SECONDS;
  if (written !== 'outdated' && actions.some(({ kind }) => kind === 'createJob')) memory.suspicious = false;
  return memory.foreign.size > 0 ? REFUSED_SECONDS : lookAgainSeconds;
}
