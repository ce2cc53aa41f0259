/** What plan() can decide: actions on Jobs, and a verdict for the status. */
import type { Verdict } from './conditions.ts';
import type { ObservedJob, Task } from './observed.ts';

/** What to do, in this order. Deletes are in the foreground and name the uid; creating a name that exists is no error. */
export type Action<T = Task> =
  | { readonly kind: 'deleteJob'; readonly name: string; readonly uid: string }
  | { readonly kind: 'setSuspend'; readonly name: string; readonly uid: string; readonly suspend: boolean }
  | {
      readonly kind: 'createJob';
      readonly name: string;
      readonly task: T;
      readonly digest: string;
      readonly backoffLimit: number;
      readonly queued: boolean;
    }
  | { readonly kind: 'expireJob'; readonly name: string; readonly uid: string; readonly seconds: number }
  | { readonly kind: 'deleteRun'; readonly name: string }
  /** `kept`: why the run folder is still there, though it was to be deleted. */
  | { readonly kind: 'release'; readonly kept?: string };

/** `lookAgainSeconds`: when time alone may change the decision. */
export type Decision<T = Task> = { readonly verdict: Verdict; readonly actions: readonly Action<T>[]; readonly lookAgainSeconds?: number };

export function verdict(kind: Verdict['kind'], reason: string, message: string): Verdict {
  return { kind, reason, message };
}

export function remove({ name, uid }: Pick<ObservedJob, 'name' | 'uid'>): Extract<Action, { kind: 'deleteJob' }> {
  return { kind: 'deleteJob', name, uid };
}

type Held<T> = readonly Extract<Action<T>, { kind: 'deleteJob' | 'setSuspend' }>[];

/** Stops what runs or waits to. A queue unsuspends its Jobs within seconds, so a queued one is deleted and created again on resume. */
export function stopped<T>(job: ObservedJob<T>): Held<T> {
  const { name, uid, inQueue, deleting, state } = job;
  if (deleting || (state.kind !== 'active' && state.kind !== 'queued')) return [];
  return inQueue ? [remove(job)] : [{ kind: 'setSuspend', name, uid, suspend: true }];
}

/** Lets a Job go on that was stopped on request. */
export function resumed<T>({ name, uid, deleting, state }: ObservedJob<T>): Held<T> {
  return state.kind === 'suspended' && !deleting ? [{ kind: 'setSuspend', name, uid, suspend: false }] : [];
}

/** Lets finished Jobs expire whose end the written status tells of (`told`: their uids), but those that `actions` deletes anyway. */
export function expire(
  jobs: readonly ObservedJob<unknown>[],
  told: ReadonlySet<string | undefined>,
  seconds: number,
  actions: readonly Action<unknown>[],
): readonly Extract<Action, { kind: 'expireJob' }>[] {
  const going = new Set(actions.flatMap((action) => (action.kind === 'deleteJob' ? [action.uid] : [])));
  const finished = jobs.filter(({ state }) => state.kind === 'succeeded' || state.kind === 'failed');
  const due = finished.filter((job) => !job.deleting && !job.expires && told.has(job.uid) && !going.has(job.uid));
  return due.map(({ name, uid }) => ({ kind: 'expireJob', name, uid, seconds }));
}
