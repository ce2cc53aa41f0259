/** Drives one PGGANTraining on this machine: the operator's plan, with processes for pods and a folder for the store. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainingProgress } from '../../crds/progress.ts';
import { resolveTrainingRun } from '../../crds/resolve.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { isTrue } from '../training/conditions.ts';
import type { TrainingObject } from '../training/expectation.ts';
import type { Observed, Task } from '../training/observed.ts';
import { plan } from '../training/plan.ts';
import type { TrainingStatus } from '../training/status.ts';
import { NEW_RECORD } from '../training/task-record.ts';
import { carryOut } from './carry-out.ts';
import { createWake, drive, type Outcome, type Round, type StopWish } from './drive.ts';
import { createJobs, type Jobs, restartDelay } from './jobs.ts';
import { lastDocument, observed } from './observe.ts';
import { poll } from './progress-poll.ts';
import { readState, type TrainingState, uidOf, writeState } from './state.ts';
import { folderUri, trainerCommand } from './trainer.ts';

/** A document older than this says nothing about the present. */
const FRESH_MS = 5000;

export type LocalTraining = {
  readonly training: PGGANTraining;
  /** Folders: the run's own, the dataset's, and that of the run to start from. */
  readonly folder: string;
  readonly dataset: string;
  readonly source?: string;
  /** Where the images come from, for people. */
  readonly data: string;
};

/** Told after every round; `state` is what was written. */
export type TrainingListener = (state: TrainingState) => void;

/** Runs it to its end, or until a stop is wished. The caller holds the lock of the run folder. */
export async function runTraining(local: LocalTraining, stop: StopWish, told: TrainingListener): Promise<Outcome> {
  const wake = createWake();
  let state = firstState(local);
  let progress: { readonly document: TrainingProgress; readonly at: number; readonly since: number } | undefined;
  const hear = (document: TrainingProgress): void => {
    const since = progress?.document.images === document.images ? progress.since : Date.now();
    progress = { document, at: Date.now(), since };
    wake.poke();
  };
  const jobs = createJobs<Task>({
    now: () => new Date(),
    changed: () => wake.poke(),
    line: (_, text) => {
      // A tick is over: its figures are there to be read.
      if (text.startsWith('tick ')) polling.look();
    },
    headway: () => progress?.document.checkpoint?.images ?? 0,
    delay: restartDelay,
  });
  const live = (): number | undefined =>
    jobs
      .list()
      .find((job) => job.running)
      ?.running?.port();
  const polling = poll(live, (document) => document.kind === 'training' && hear(document));
  const round = (): Round => {
    for (const { last } of jobs.list()) {
      const document = lastDocument(last);
      if (document?.kind === 'training' && document.time > (progress?.document.time ?? '')) hear(document);
    }
    const now = new Date();
    const next = plan(objectOf(local.training, state), look(jobs, progress, local), now);
    if (stop.reason === undefined)
      for (const action of next.actions) carryOut(action, jobs, ({ name, task }) => programOf(local, task, name, state.uid));
    const { document } = progress ?? {};
    state = { ...state, status: next.status, updated: now.toISOString(), ...(document && { progress: document }) };
    writeState(local.folder, state);
    told(state);
    const settled = settledAs(next.status, jobs);
    return { ...(settled && { settled }), ...(next.lookAgainSeconds !== undefined && { lookAgainSeconds: next.lookAgainSeconds }) };
  };
  try {
    return await drive(jobs, wake, stop, round);
  } finally {
    polling.end();
  }
}

/** What is known at the start: history for people, no conclusions. The preflight asks the run folder itself where it stands. */
function firstState({ training, folder, dataset, data }: LocalTraining): TrainingState {
  const { name, namespace = 'default' } = training.metadata;
  const before = readState(folder);
  const known = before?.kind === 'PGGANTraining' ? before.status : undefined;
  const phases = (known?.phases ?? []).map(
    ({ job: _job, stall: _stall, headway: _headway, storeFailure: _outage, dismissed: _dismissed, ...rest }) => ({
      ...rest,
      ...NEW_RECORD,
    }),
  );
  const { checkpoint: _checkpoint, estimatedCompletionTime: _completion, ...rest } = known ?? emptyStatus();
  const status: TrainingStatus = { ...rest, preflight: NEW_RECORD, phases, failures: 0 };
  const updated = new Date().toISOString();
  return { version: 1, kind: 'PGGANTraining', name, namespace, uid: uidOf(folder), updated, spec: training.spec, data, dataset, status };
}

function emptyStatus(): TrainingStatus {
  return { observedGeneration: -1, conditions: [], preflight: NEW_RECORD, phases: [], failures: 0, resumes: 0 };
}

function objectOf(training: PGGANTraining, { name, namespace, uid, status }: TrainingState): TrainingObject {
  // There is no queue on a laptop.
  const { queue: _, ...spec } = training.spec;
  return { metadata: { name, namespace, uid, generation: 1 }, spec, ...(status && { status }) };
}

function look(
  jobs: Jobs<Task>,
  progress: { readonly document: TrainingProgress; readonly at: number; readonly since: number } | undefined,
  local: LocalTraining,
): Observed {
  const list = jobs.list();
  const checked = lastDocument(list.find((job) => job.spec.task.kind === 'preflight')?.last);
  const { trainingRef } = local.training.spec.initFrom ?? {};
  const ready = local.source !== undefined && existsSync(join(local.source, 'checkpoints'));
  return {
    jobs: list.map(observed),
    conflicts: [],
    unfinishedPods: list.filter((job) => job.running).map((job) => `process ${job.running?.pid}`),
    ...(checked?.kind === 'preflight' && { preflight: checked }),
    ...(progress && {
      progress: {
        document: progress.document,
        fresh: Date.now() - progress.at < FRESH_MS,
        unmovedSince: new Date(progress.since).toISOString(),
      },
    }),
    ...(trainingRef && {
      source: { name: trainingRef.name, ready, message: `There is no run ${trainingRef.name} with a checkpoint yet.` },
    }),
  };
}

function programOf({ training, folder, dataset, source }: LocalTraining, task: Task, name: string, uid: string) {
  const object = { ...training, metadata: { ...training.metadata, uid } };
  const run = resolveTrainingRun(object, {
    task: task.kind === 'preflight' ? { ...task, phaseMemory: 'shared' } : { kind: 'train', resolution: task.resolution },
    cluster: 'local',
    port: 0,
    datasetUri: folderUri(dataset),
    runUri: folderUri(folder),
    ...(source !== undefined && { initFromUri: folderUri(source) }),
  });
  const env = { PGGAN_RUN: JSON.stringify(run) };
  return {
    command: trainerCommand('train'),
    env,
    log: join(folder, 'trainer.log'),
    terminationLog: join(folder, '.pggan', `${name}.json`),
  };
}

/** An unreachable store is waited for, however long; every other stall ends the driver, because a person is there to read it. */
function settledAs(status: TrainingStatus, jobs: Jobs<Task>): Round['settled'] {
  const stalled = status.conditions.find((condition) => condition.type === 'Stalled');
  const unfinished = jobs.list().some((job) => job.state === 'active');
  if (isTrue(status.conditions, 'Succeeded')) return 'succeeded';
  if (stalled) return stalled.reason === 'StoreUnavailable' || unfinished ? undefined : 'stalled';
  return isTrue(status.conditions, 'Suspended') && !unfinished ? 'suspended' : undefined;
}
