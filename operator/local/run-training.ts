/** Drives one PGGANTraining on this machine: the operator's plan, with processes for pods and a folder or a bucket for the store. */
import { join } from 'node:path';
import type { TrainingProgress } from '../../crds/progress.ts';
import { podCommand } from '../../crds/pod.ts';
import { resolveTrainingRun } from '../../crds/resolve.ts';
import type { RunDocument } from '../../crds/run.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { isTrue } from '../kube/conditions.ts';
import type { TrainingObject } from '../training/expectation.ts';
import type { Observed, Task } from '../training/observed.ts';
import { plan } from '../training/plan.ts';
import type { TrainingStatus } from '../training/status.ts';
import { NEW_RECORD } from '../training/task-record.ts';
import type { Round, StopWish } from './drive.ts';
import type { LocalJob } from './jobs.ts';
import { lastDocument, observed, refusedByStore } from './observe.ts';
import type { Place } from './places.ts';
import type { Program } from './processes.ts';
import { type Listener, type Result, runObject, type Seen } from './run-object.ts';
import { readState, type RunState, type TrainingState, uidOf } from './state.ts';
import { trainerCommand } from './trainer.ts';

/** A document older than this says nothing about the present. */
const FRESH_MS = 5000;

export type LocalTraining = {
  readonly training: PGGANTraining;
  readonly place: Place;
  readonly datasetUri: string;
  /** URI of the run to start from, where spec.initFrom names a training. */
  readonly sourceUri?: string;
  /** Where the images come from, for people. */
  readonly data: string;
};

/** Runs it to its end, or until a stop is wished. The caller holds the lock of the run folder. */
export function runTraining(local: LocalTraining, stop: StopWish, listener: Listener<TrainingState>): Promise<Result<TrainingState>> {
  return runObject<Task, TrainingProgress, TrainingState>(
    {
      folder: local.place.folder,
      first: firstState(local),
      documentOf: (progress) => (progress.kind === 'training' ? progress : undefined),
      done: ({ images, checkpoint }) => ({ shown: images, saved: checkpoint?.images ?? 0 }),
      plan(state, seen, now) {
        const { status, ...next } = plan(objectOf(local.training, state), look(seen, local), now);
        const progress = seen.heard?.document;
        return { ...next, state: { ...state, status, updated: now.toISOString(), ...(progress && { progress }) } };
      },
      program: ({ name, task }, { uid }) => programOf(local, task, name, uid),
      settled: ({ status }, jobs) => status && settledAs(status, jobs),
      accepted,
    },
    stop,
    listener,
  );
}

const accepted = (state: RunState): boolean => state.kind === 'PGGANTraining' && state.status?.preflight.state === 'Complete';

/** What is known at the start: history for people, no conclusions. The preflight asks the run folder itself where it stands. */
function firstState({ training, place, datasetUri, data }: LocalTraining): TrainingState {
  const { name, namespace = 'default' } = training.metadata;
  const before = readState(place.folder);
  const known = before?.kind === 'PGGANTraining' ? before.status : undefined;
  const phases = (known?.phases ?? []).map(
    ({ job: _job, stall: _stall, headway: _headway, storeFailure: _outage, dismissed: _dismissed, ...rest }) => ({
      ...rest,
      ...NEW_RECORD,
    }),
  );
  const { checkpoint: _checkpoint, estimatedCompletionTime: _completion, ...rest } = known ?? emptyStatus();
  const status: TrainingStatus = { ...rest, preflight: NEW_RECORD, phases, failures: 0 };
  return {
    version: 1,
    kind: 'PGGANTraining',
    name,
    namespace,
    uid: uidOf(place.folder),
    updated: new Date().toISOString(),
    run: place.uri,
    spec: training.spec,
    data,
    dataset: datasetUri,
    status,
  };
}

function emptyStatus(): TrainingStatus {
  return {
    observedGeneration: -1,
    conditions: [],
    preflight: NEW_RECORD,
    phases: [],
    failures: 0,
    resumes: 0,
    disruptions: 0,
    outOfMemory: 0,
  };
}

function objectOf(training: PGGANTraining, { name, namespace, uid, status }: TrainingState): TrainingObject {
  // There is no queue on a laptop.
  const { queue: _, ...spec } = training.spec;
  return { metadata: { name, namespace, uid, generation: 1 }, spec, ...(status && { status }) };
}

function look({ jobs, heard }: Seen<Task, TrainingProgress>, { training, sourceUri }: LocalTraining): Observed {
  const checked = lastDocument(jobs.find((job) => job.spec.task.kind === 'preflight')?.last);
  const { trainingRef } = training.spec.initFrom ?? {};
  return {
    jobs: jobs.map(observed),
    conflicts: [],
    unfinishedPods: jobs.filter((job) => job.running).map((job) => `process ${job.running?.pid}`),
    ...(checked?.kind === 'preflight' && { preflight: checked }),
    ...(heard && {
      progress: {
        document: heard.document,
        fresh: Date.now() - heard.at < FRESH_MS,
        unmovedSince: new Date(heard.since).toISOString(),
      },
    }),
    ...(trainingRef && {
      source: {
        name: trainingRef.name,
        ready: sourceUri !== undefined,
        message: `There is no run ${trainingRef.name} with a checkpoint yet.`,
      },
    }),
  };
}

function programOf({ training, place, datasetUri, sourceUri }: LocalTraining, task: Task, name: string, uid: string): Program {
  const object = { ...training, metadata: { ...training.metadata, uid } };
  const run = resolveTrainingRun(object, {
    task: task.kind === 'preflight' ? { ...task, phaseMemory: 'shared' } : { kind: 'train', resolution: task.resolution },
    cluster: 'local',
    port: 0,
    datasetUri,
    runUri: place.uri,
    ...(sourceUri !== undefined && { initFromUri: sourceUri }),
  });
  return programIn(place, name, run);
}

/** A trainer process whose log and last words go to the folder of a place. */
export function programIn({ uri, folder }: Place, job: string, run: RunDocument): Program {
  // A checkpoint on its way to a bucket waits there, should the store be away when the process has to end.
  const scratch = process.env['PGGAN_SCRATCH'] ?? join(folder, '.pggan', 'scratch');
  return {
    command: trainerCommand(podCommand(run)),
    env: { PGGAN_RUN: JSON.stringify(run), ...(uri.startsWith('s3://') && { PGGAN_SCRATCH: scratch }) },
    log: join(folder, 'trainer.log'),
    terminationLog: join(folder, '.pggan', `${job}.json`),
  };
}

/** An unreachable store is waited for, however long; every other stall ends the driver, because a person is there to read it. */
function settledAs(status: TrainingStatus, jobs: readonly LocalJob<Task>[]): Round['settled'] {
  const stalled = status.conditions.find((condition) => condition.type === 'Stalled');
  const unfinished = jobs.some((job) => job.state === 'active');
  if (isTrue(status.conditions, 'Succeeded')) return 'succeeded';
  if (jobs.some((job) => refusedByStore(job.last))) return 'stalled';
  if (stalled) return stalled.reason === 'StoreUnavailable' || unfinished ? undefined : 'stalled';
  return isTrue(status.conditions, 'Suspended') && !unfinished ? 'suspended' : undefined;
}
