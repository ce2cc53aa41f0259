/** The end of a training: its Jobs, then (DeleteRun) its run folder, then the object itself. */
import { EXIT } from '../../crds/errors.ts';
import { type Decision, remove, verdict } from './decision.ts';
import type { TrainingObject } from './expectation.ts';
import { secondsSince } from './follow.ts';
import { lostPod, NODE_LOST, nodeLost } from './lost-node.ts';
import type { Observed } from './observed.ts';

/** A run folder that could not be deleted is tried again as long as its training waits for it. */
const AGAIN_SECONDS = 60;
const WAY_OUT = 'it is tried again every minute; to let the training go and keep the folder, set spec.deletionPolicy to Retain';

/** @param training one whose deletion was asked for */
export function deleting(training: TrainingObject, seen: Observed, now: Date): Decision {
  const lost = lostPod(seen.terminatingPods, now);
  const waiting = lost
    ? verdict('deleting', NODE_LOST, nodeLost(`pod ${lost.name}`))
    : verdict('deleting', 'Deleting', 'Waiting for its processes to end.');
  if (seen.jobs.length > 0 || seen.unfinishedPods.length > 0)
    return { verdict: waiting, actions: seen.jobs.filter((job) => !job.deleting).map(remove) };
  const { runDeletion } = seen;
  // Nothing was ever written where no preflight has passed.
  if (training.spec.deletionPolicy === 'DeleteRun' && training.status?.fingerprint !== undefined) return deletingRun(training, seen, now);
  if (runDeletion?.state.kind !== 'active') return { verdict: waiting, actions: [{ kind: 'release' }] };
  return { verdict: waiting, actions: runDeletion.deleting ? [] : [remove(runDeletion)] };
}

function deletingRun({ metadata }: TrainingObject, { runDeletion: job, runDeletionRefused }: Observed, now: Date): Decision {
  const said = verdict('deleting', 'DeletingRun', 'Deleting the run folder.');
  if (!job || job.deleting) {
    const actions = job ? [] : [{ kind: 'deleteRun', name: deletionName(metadata) } as const];
    return { verdict: runDeletionRefused === undefined ? said : failing(runDeletionRefused), actions };
  }
  switch (job.state.kind) {
    case 'succeeded':
      return { verdict: said, actions: [{ kind: 'release' }] };
    case 'failed': {
      const why = job.failure?.message ?? `Job ${job.name} failed`;
      // Another training's folder is not this one's to delete, however often it is tried.
      if (job.failure?.exitCode === EXIT.invalid) return { verdict: said, actions: [{ kind: 'release', kept: why }] };
      const left = AGAIN_SECONDS - secondsSince(job.state.finishedAt, now);
      return left > 0 ? { verdict: failing(why), actions: [], lookAgainSeconds: left } : { verdict: failing(why), actions: [remove(job)] };
    }
    case 'queued':
    case 'suspended':
    case 'active':
      return { verdict: said, actions: [] };
  }
}

function failing(why: string): Decision['verdict'] {
  return verdict('deleting', 'RunNotDeleted', `The run folder is still there: ${why}; ${WAY_OUT}`);
}

/** Another training of this name has a Job of another name: this one may still be there, for its log. At most 63 characters. */
function deletionName({ name, uid }: TrainingObject['metadata']): string {
  return `${name}-del-${uid.slice(0, 8)}`;
}
