/** Every event that the operator tells of an object: the one table of their reasons, from which docs/reference/events.md is made, too. */
import type { Happening } from './kube/events.ts';

export type EventRow = { readonly type: Happening['type']; readonly of: 'both' | 'PGGANTraining'; readonly when: string };

const row =
  (type: EventRow['type'], of: EventRow['of']) =>
  (when: string): EventRow => ({ type, of, when });
const training = row('Normal', 'PGGANTraining');
const both = row('Normal', 'both');
const trouble = row('Warning', 'PGGANTraining');
const troubleOfBoth = row('Warning', 'both');

export const EVENTS = {
  PhaseStarted: training('The first Job of a resolution exists; the note names it.'),
  PhaseCompleted: training('A resolution is trained; the note names its checkpoint.'),
  PhaseAdopted: training('A resolution was found trained in the run folder.'),
  TrainingResumed: training('A process goes on from a checkpoint in the middle of a resolution; the note counts the processes.'),
  PodFailed: trouble('A pod failed in a way that its Job counts; the note counts them.'),
  OutOfMemory: trouble('A pod was killed for want of memory; the note says what can be done.'),
  NodeLost: troubleOfBoth("A pod's node is gone, and Kubernetes replaces nothing; the note says what can be done."),
  StoreUnavailable: troubleOfBoth('The store is out of reach or refuses the credentials: once per outage, however often it is tried.'),
  StoreFull: trouble('The store has no room for a checkpoint; training waits.'),
  RunOwned: trouble(
    'Another process may still write to the run: one elsewhere, or one that crashed less than a minute ago. It is tried again.',
  ),
  PodsNotCreated: troubleOfBoth("A Job has had no pod for a minute; the note says where the server's reason is, or what it is."),
  WaitingForSource: trouble('The training that spec.initFrom names has not succeeded yet.'),
  InvalidSpec: trouble('The spec can never run; the note names the fields.'),
  Stalled: troubleOfBoth('It waits for a person; the note begins with the reason of the condition Stalled, and says what can be done.'),
  Recovered: both('It was stalled, and goes on.'),
  Succeeded: both('All is done.'),
  Suspended: both('spec.suspend was set.'),
  Unsuspended: both('spec.suspend was taken back.'),
  JobWarning: troubleOfBoth('The API server warned of a Job when it was created, such as of pods that a policy would refuse.'),
  RunKept: trouble('The training is deleted and its run folder is not, though deletionPolicy is DeleteRun; the note says why.'),
} as const satisfies Readonly<Record<string, EventRow>>;

export type EventReason = keyof typeof EVENTS;

export function isEventReason(reason: string): reason is EventReason {
  return Object.hasOwn(EVENTS, reason);
}

export function happening(reason: EventReason, action: string, note: string): Happening {
  return { type: EVENTS[reason].type, reason, action, note };
}
