/** What plan() can decide: actions on Jobs, and a verdict for the status. */
import type { Verdict } from './conditions.ts';
import type { ObservedJob, Task } from './observed.ts';

/** What to do, in this order. Deletes are in the foreground and name the uid; creating a name that exists is no error. */
export type Action =
  | { readonly kind: 'deleteJob'; readonly name: string; readonly uid: string }
  | { readonly kind: 'setSuspend'; readonly name: string; readonly uid: string; readonly suspend: boolean }
  | {
      readonly kind: 'createJob';
      readonly name: string;
      readonly task: Task;
      readonly digest: string;
      readonly backoffLimit: number;
      readonly queued: boolean;
    }
  | { readonly kind: 'expireJob'; readonly name: string; readonly uid: string; readonly seconds: number }
  | { readonly kind: 'deleteRun' }
  | { readonly kind: 'release' };

/** `lookAgainSeconds`: when time alone may change the decision. */
export type Decision = { readonly verdict: Verdict; readonly actions: readonly Action[]; readonly lookAgainSeconds?: number };

export function verdict(kind: Verdict['kind'], reason: string, message: string): Verdict {
  return { kind, reason, message };
}

export function remove({ name, uid }: ObservedJob): Action {
  return { kind: 'deleteJob', name, uid };
}
