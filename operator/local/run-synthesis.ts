/** Drives one SynthesisJob on this machine: one process makes all shards' images, which do not depend on how they are shared out. */
import type { SynthesisProgress } from '../../crds/progress.ts';
import { resolveSynthesisRun } from '../../crds/resolve.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJob } from '../../crds/v1alpha1/synthesis-job.ts';
import { isTrue } from '../kube/conditions.ts';
import type { ObservedSynthesis, SynthesisObject, SynthesisTask } from '../synthesis/observed.ts';
import { planSynthesis } from '../synthesis/plan.ts';
import type { Round, StopWish } from './drive.ts';
import type { LocalJob } from './jobs.ts';
import { observed, refusedByStore } from './observe.ts';
import type { Place } from './places.ts';
import type { Program } from './processes.ts';
import { type Listener, type Result, runObject, type Seen } from './run-object.ts';
import { programIn } from './run-training.ts';
import type { Source } from './source-run.ts';
import { type RunState, type SynthesisState, uidOf } from './state.ts';

/** How often a training in another terminal is looked at, while it is waited for. */
const LOOK_AGAIN_SECONDS = 2;

export type LocalSynthesis = {
  readonly job: SynthesisJob;
  readonly place: Place;
  /** The run of spec.trainingRef; absent where a checkpoint is named. */
  readonly source?: Source;
};

/** Runs it to its end, or until a stop is wished. Images that are there already are not made again. The caller holds the folder's lock. */
export function runSynthesis(local: LocalSynthesis, stop: StopWish, listener: Listener<SynthesisState>): Promise<Result<SynthesisState>> {
  const { job, place } = local;
  const { name, namespace = 'default' } = job.metadata;
  const spec = { ...job.spec, shards: 1 };
  const first: SynthesisState = {
    version: 1,
    kind: 'SynthesisJob',
    name,
    namespace,
    uid: uidOf(place.folder),
    updated: new Date().toISOString(),
    run: place.uri,
    spec,
  };
  return runObject<SynthesisTask, SynthesisProgress, SynthesisState>(
    {
      folder: place.folder,
      first,
      documentOf: (progress) => (progress.kind === 'synthesis' ? progress : undefined),
      done: ({ done }) => ({ shown: done, saved: done }),
      plan(state, seen, now) {
        const { status, lookAgainSeconds, actions } = planSynthesis(objectOf(state), look(seen, local), now);
        const progress = seen.heard?.document;
        const next: SynthesisState = { ...state, status, updated: now.toISOString(), ...(progress && { progress }) };
        const again = waitsForTraining(next) ? LOOK_AGAIN_SECONDS : lookAgainSeconds;
        return { actions, state: next, ...(again !== undefined && { lookAgainSeconds: again }) };
      },
      program: ({ name, task }, { uid }) => programOf(local, name, task.checkpointUri, uid),
      settled: (state, jobs) => settledAs(state, jobs, local.source),
      accepted,
    },
    stop,
    listener,
  );
}

const accepted = (state: RunState): boolean => state.kind === 'SynthesisJob' && state.progress?.checkpoint !== undefined;

function objectOf({ name, namespace, uid, spec, status }: SynthesisState): SynthesisObject {
  const { queue: _, ...asked } = spec;
  return { metadata: { name, namespace, uid, generation: 1 }, spec: asked, ...(status && { status }) };
}

function look({ jobs, heard }: Seen<SynthesisTask, SynthesisProgress>, { source }: LocalSynthesis): ObservedSynthesis {
  const training = source?.now();
  return {
    jobs: jobs.map(observed),
    conflicts: [],
    unfinishedPods: jobs.filter((job) => job.running).map((job) => `process ${job.running?.pid}`),
    ...(training && { training }),
    completedShards: jobs.some((job) => job.state === 'succeeded') ? [0] : [],
    progress: heard ? [{ shard: 0, document: heard.document }] : [],
  };
}

function programOf({ job, place, source }: LocalSynthesis, name: string, checkpointUri: string, uid: string): Program {
  const object: SynthesisJob = { ...job, metadata: { ...job.metadata, uid }, spec: { ...job.spec, shards: 1 } };
  const store: PGGANTrainingSpec['store'] = source?.store;
  const run = resolveSynthesisRun(object, {
    cluster: 'local',
    port: 0,
    shard: 0,
    checkpointUri,
    outputUri: place.uri,
    ...(store && { store }),
  });
  return programIn(place, name, run);
}

const waitsForTraining = ({ status }: SynthesisState): boolean =>
  status?.conditions.some(({ type, reason }) => type === 'Progressing' && reason === 'WaitingForTraining') ?? false;

/** A training is waited for only as long as a process drives it. */
function settledAs(state: SynthesisState, jobs: readonly LocalJob<SynthesisTask>[], source: Source | undefined): Round['settled'] {
  const conditions = state.status?.conditions;
  if (isTrue(conditions, 'Succeeded')) return 'succeeded';
  if (jobs.some((job) => refusedByStore(job.last))) return 'stalled';
  if (waitsForTraining(state) && source?.driver() === undefined) return 'stalled';
  const stalled = conditions?.find((condition) => condition.type === 'Stalled');
  if (stalled && stalled.reason !== 'StoreUnavailable') return 'stalled';
  return isTrue(conditions, 'Suspended') ? 'suspended' : undefined;
}
