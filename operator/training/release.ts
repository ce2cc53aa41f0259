/** Whether a training that is being deleted may go, and what is said where its run folder stays behind. */
import { happening } from '../events.ts';
import type { Memory } from '../jobs/attempts.ts';
import type { Enacted } from '../jobs/enact.ts';
import type { Recorder } from '../kube/events.ts';
import type { Plan } from './plan.ts';
import { type StoredTraining, TRAININGS } from './stored.ts';

/** Whether the training may go. A run folder that is left behind is told of. */
export function releases(recorder: Recorder, stored: StoredTraining, decided: Plan, { hindrance }: Enacted, memory: Memory): boolean {
  const release = decided.actions.find((action) => action.kind === 'release');
  if (release?.kept !== undefined) tellRunKept(recorder, stored, release.kept);
  if (release || !decided.actions.some(({ kind }) => kind === 'deleteRun')) return release !== undefined;
  if (hindrance?.kind !== 'refused') {
    delete memory.deletionRefused;
    return false;
  }
  memory.deletionRefused = hindrance.message;
  // In a namespace that is being deleted nothing can be made any more, and a training that waited for it would hold it up for ever.
  if (!hindrance.message.includes('because it is being terminated')) return false;
  tellRunKept(recorder, stored, 'its namespace is being deleted');
  return true;
}

function tellRunKept(recorder: Recorder, stored: StoredTraining, why: string): void {
  const { namespace, name } = stored.metadata ?? {};
  const note = `The run folder ${namespace}/${name} below ${stored.spec.output.uri} is kept, though deletionPolicy is DeleteRun: ${why}`;
  recorder.record(stored, TRAININGS, happening('RunKept', 'Delete', note));
}
