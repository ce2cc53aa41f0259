/** From two statuses of a training to what a person should be told: the same pair always tells the same. */
import type { Happening } from '../kube/events.ts';
import type { Condition } from '../kube/conditions.ts';
import type { PhaseRecord, TrainingStatus } from './status.ts';
import { failuresOf } from './task-record.ts';

/** What happened between `before` (absent for a new object) and `after`, in the order in which it should be read. */
export function happenings(before: TrainingStatus | undefined, after: TrainingStatus): readonly Happening[] {
  const phases = after.phases.flatMap((phase) =>
    ofPhase(
      before?.phases.find(({ resolution }) => resolution === phase.resolution),
      phase,
    ),
  );
  return [...phases, ...ofSteps(before, after), ...verdictHappenings(before?.conditions ?? [], after.conditions, 'Train')];
}

const normal = (reason: string, action: string, note: string): Happening => ({ type: 'Normal', reason, action, note });
const warning = (reason: string, action: string, note: string): Happening => ({ type: 'Warning', reason, action, note });

function ofPhase(before: PhaseRecord | undefined, phase: PhaseRecord): readonly Happening[] {
  const { state, resolution, job, checkpoint, endImages, attempts } = phase;
  const size = `${resolution}x${resolution}`;
  if (state === 'Complete' && before?.state !== 'Complete') {
    // A phase that was found complete (an adopted run) has had no Job here.
    if (job === undefined) return [normal('PhaseAdopted', 'Adopt', `${size} is complete in the run folder already.`)];
    const saved = checkpoint ? `; checkpoint ${checkpoint.uri}` : '';
    return [normal('PhaseCompleted', 'Train', `${size} is complete after ${checkpoint?.images ?? endImages} images${saved}.`)];
  }
  if (job && before?.job?.uid !== job.uid && before?.job === undefined)
    return [normal('PhaseStarted', 'Train', `${size} is trained by Job ${job.name}.`)];
  // The first process of a phase goes on from the end of the one before, and resumes nothing.
  if (job && before && attempts > Math.max(1, before.attempts))
    return [normal('TrainingResumed', 'Train', `${size} goes on from its newest checkpoint; process ${attempts} of Job ${job.name}.`)];
  return [];
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
    return failures > 0 ? [warning('PodFailed', 'Train', `${name}: a pod failed (${failuresOf(is)} so far); Job ${is.job?.name}.`)] : [];
  });
}

/** Reasons that deserve a line while they are no stall yet. */
const WARNED = new Set(['NodeLost', 'StoreUnavailable', 'PodsNotCreated', 'WaitingForSource']);

/** What the conditions of any of our kinds tell. */
export function verdictHappenings(before: readonly Condition[], after: readonly Condition[], action: string): readonly Happening[] {
  const was = (type: string): Condition | undefined => before.find((condition) => condition.type === type);
  const is = (type: string): Condition | undefined => after.find((condition) => condition.type === type);
  const turned = (type: string, status: Condition['status']): boolean => is(type)?.status === status && was(type)?.status !== status;
  const [stalled, reconciling] = [is('Stalled'), is('Reconciling')];
  if (stalled) return was('Stalled')?.reason === stalled.reason ? [] : [warning(stalled.reason, action, stalled.message)];
  const troubled = reconciling && WARNED.has(reconciling.reason) && was('Reconciling')?.reason !== reconciling.reason;
  return [
    ...(was('Stalled') && !troubled ? [normal('Recovered', action, 'It goes on.')] : []),
    ...(troubled && !was('Stalled') ? [warning(reconciling.reason, action, reconciling.message)] : []),
    ...(turned('Succeeded', 'True') ? [normal('Succeeded', action, is('Succeeded')?.message ?? '')] : []),
    ...(turned('Suspended', 'True') ? [normal('Suspended', 'Suspend', 'Its processes save and end.')] : []),
    ...(was('Suspended')?.status === 'True' && turned('Suspended', 'False') ? [normal('Unsuspended', 'Suspend', 'It goes on.')] : []),
  ];
}
