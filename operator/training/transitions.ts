/** From two statuses of a training to what a person should be told: the same pair always tells the same. */
import { type EventReason, happening, isEventReason } from '../events.ts';
import type { Happening } from '../kube/events.ts';
import type { Condition } from '../kube/conditions.ts';
import type { PhaseRecord, TrainingStatus } from './status.ts';
import { MORE_MEMORY } from './stall.ts';
import { failuresOf } from './task-record.ts';

/** What happened between `before` (absent for a new object) and `after`, in the order in which it should be read. */
export function happenings(before: TrainingStatus | undefined, after: TrainingStatus): readonly Happening[] {
  const phases = after.phases.flatMap((phase) =>
    ofPhase(
      before?.phases.find(({ resolution }) => resolution === phase.resolution),
      phase,
      after.checkpoint,
    ),
  );
  const verdict = verdictHappenings(before?.conditions ?? [], after.conditions, 'Train');
  // An outage is one occurrence, though every try in vain turns the conditions twice.
  const known = outageOf(before) !== undefined && outageOf(before) === outageOf(after);
  const news = verdict.filter(({ reason }) => !known || (reason !== 'StoreUnavailable' && reason !== 'Recovered'));
  return [...phases, ...ofSteps(before, after), ...ofMemory(before, after), ...news];
}

function ofPhase(before: PhaseRecord | undefined, phase: PhaseRecord, newest: TrainingStatus['checkpoint']): readonly Happening[] {
  const { state, resolution, job, checkpoint = newest, endImages, attempts } = phase;
  const size = `${resolution}x${resolution}`;
  const completed = state === 'Complete' && before?.state !== 'Complete';
  // A phase that was found complete (an adopted run) has had no Job here.
  if (!job) return completed ? [happening('PhaseAdopted', 'Adopt', `${size} is complete in the run folder already.`)] : [];
  const told: Happening[] = [];
  if (!before?.job) told.push(happening('PhaseStarted', 'Train', `${size} is trained by Job ${job.name}.`));
  // The first process of a phase goes on from the end of the one before, and resumes nothing.
  else if (attempts > Math.max(1, before.attempts))
    told.push(happening('TrainingResumed', 'Train', `${size} goes on from its newest checkpoint; process ${attempts} of Job ${job.name}.`));
  if (completed) {
    const saved = checkpoint ? `; checkpoint ${checkpoint.uri}` : '';
    told.push(happening('PhaseCompleted', 'Train', `${size} is complete after ${checkpoint?.images ?? endImages} images${saved}.`));
  }
  return told;
}

/** Failures of pods, whichever step they belong to. */
function ofSteps(before: TrainingStatus | undefined, after: TrainingStatus): readonly Happening[] {
  const steps = [
    { name: 'The preflight', was: before?.preflight, is: after.preflight },
    ...after.phases.map((is) => ({
      name: `${is.resolution}x${is.resolution}`,
      was: before?.phases.find(({ resolution }) => resolution === is.resolution),
      is,
    })),
  ];
  return steps.flatMap(({ name, was, is }) => {
    const failures = failuresOf(is) - (was ? failuresOf(was) : 0);
    return failures > 0 ? [happening('PodFailed', 'Train', `${name}: a pod failed (${failuresOf(is)} so far); Job ${is.job?.name}.`)] : [];
  });
}

function ofMemory(before: TrainingStatus | undefined, { outOfMemory }: TrainingStatus): readonly Happening[] {
  if (outOfMemory <= (before?.outOfMemory ?? 0)) return [];
  return [happening('OutOfMemory', 'Train', `A pod was killed for want of memory (${outOfMemory} so far): ${MORE_MEMORY}.`)];
}

/** Since when the store has been away from one try to the next. */
function outageOf(status: TrainingStatus | undefined): string | undefined {
  const records = status ? [status.preflight, ...status.phases] : [];
  return records.find(({ storeFailure }) => storeFailure)?.storeFailure?.since;
}

/** Reasons that deserve a line of their own, whether they are a stall yet or not. */
const WARNED: readonly string[] = [
  'InvalidSpec',
  'NodeLost',
  'StoreUnavailable',
  'StoreFull',
  'PodsNotCreated',
  'RunOwned',
  'WaitingForSource',
] satisfies readonly EventReason[];

/** What the conditions of any of our kinds tell. */
export function verdictHappenings(before: readonly Condition[], after: readonly Condition[], action: string): readonly Happening[] {
  const was = (type: string): Condition | undefined => before.find((condition) => condition.type === type);
  const is = (type: string): Condition | undefined => after.find((condition) => condition.type === type);
  const turned = (type: string, status: Condition['status']): boolean => is(type)?.status === status && was(type)?.status !== status;
  const [stalled, progressing] = [is('Stalled'), is('Progressing')];
  const { reason = '', message = '' } = progressing ?? {};
  const troubled = WARNED.includes(reason) && was('Progressing')?.reason !== reason && isEventReason(reason);
  const trouble = troubled ? [happening(reason, action, message)] : [];
  if (stalled) {
    // A spec that can never run says all there is to say.
    const known = was('Stalled')?.reason === stalled.reason || stalled.reason === 'InvalidSpec';
    return [...trouble, ...(known ? [] : [happening('Stalled', action, `${stalled.reason}: ${stalled.message}`)])];
  }
  return [
    ...(was('Stalled') && !troubled ? [happening('Recovered', action, 'It goes on.')] : []),
    ...trouble,
    ...(turned('Succeeded', 'True') ? [happening('Succeeded', action, is('Succeeded')?.message ?? '')] : []),
    ...(turned('Suspended', 'True') ? [happening('Suspended', 'Suspend', 'Its processes save and end.')] : []),
    ...(was('Suspended')?.status === 'True' && turned('Suspended', 'False') ? [happening('Unsuspended', 'Suspend', 'It goes on.')] : []),
  ];
}
