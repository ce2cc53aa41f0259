/** Drives one SynthesisJob on this machine: one process makes all shards' images, which do not depend on how they are shared out. */
import { join } from 'node:path';
import type { SynthesisProgress } from '../../crds/progress.ts';
import { resolveSynthesisRun } from '../../crds/resolve.ts';
import type { SynthesisJob } from '../../crds/v1alpha1/synthesis-job.ts';
import type { ObservedSynthesis, SynthesisObject, SynthesisTask } from '../synthesis/observed.ts';
import { planSynthesis } from '../synthesis/plan.ts';
import { isTrue } from '../training/conditions.ts';
import { carryOut } from './carry-out.ts';
import { createWake, drive, type Outcome, type Round, type StopWish } from './drive.ts';
import { createJobs, type Jobs, restartDelay } from './jobs.ts';
import { lastDocument, observed } from './observe.ts';
import type { Program } from './processes.ts';
import { poll } from './progress-poll.ts';
import { type SynthesisState, uidOf, writeState } from './state.ts';
import { folderUri, trainerCommand } from './trainer.ts';

export type LocalSynthesis = {
  readonly job: SynthesisJob;
  /** The folder that receives the images. */
  readonly folder: string;
  /** URI of the checkpoint or run folder to draw from. */
  readonly checkpointUri: string;
};

/** Runs it to its end, or until a stop is wished. Images that are there already are not made again. The caller holds the folder's lock. */
export async function runSynthesis(local: LocalSynthesis, stop: StopWish, told: (state: SynthesisState) => void): Promise<Outcome> {
  const wake = createWake();
  const { name, namespace = 'default' } = local.job.metadata;
  const spec = { ...local.job.spec, shards: 1 };
  const uid = uidOf(local.folder);
  let state: SynthesisState = { version: 1, kind: 'SynthesisJob', name, namespace, uid, updated: new Date().toISOString(), spec };
  let progress: SynthesisProgress | undefined;
  const jobs = createJobs<SynthesisTask>({
    now: () => new Date(),
    changed: () => wake.poke(),
    line: () => {},
    headway: () => progress?.done ?? 0,
    delay: restartDelay,
  });
  const live = (): number | undefined =>
    jobs
      .list()
      .find((job) => job.running)
      ?.running?.port();
  const polling = poll(live, (document) => {
    if (document.kind !== 'synthesis') return;
    progress = document;
    wake.poke();
  });
  const round = (): Round => {
    for (const { last } of jobs.list()) {
      const document = lastDocument(last);
      if (document?.kind === 'synthesis' && document.time > (progress?.time ?? '')) progress = document;
    }
    const { queue: _, ...asked } = spec;
    const object: SynthesisObject = {
      metadata: { name, namespace, uid, generation: 1 },
      spec: asked,
      ...(state.status && { status: state.status }),
    };
    const now = new Date();
    const next = planSynthesis(object, look(jobs, progress, local.checkpointUri), now);
    if (stop.reason === undefined) for (const action of next.actions) carryOut(action, jobs, ({ name }) => programOf(name, local, uid));
    state = { ...state, status: next.status, updated: now.toISOString(), ...(progress && { progress }) };
    writeState(local.folder, state);
    told(state);
    return { ...settled(next.status.conditions), ...(next.lookAgainSeconds !== undefined && { lookAgainSeconds: next.lookAgainSeconds }) };
  };
  try {
    return await drive(jobs, wake, stop, round);
  } finally {
    polling.end();
  }
}

function look(jobs: Jobs<SynthesisTask>, document: SynthesisProgress | undefined, checkpointUri: string): ObservedSynthesis {
  const list = jobs.list();
  return {
    jobs: list.map(observed),
    conflicts: [],
    unfinishedPods: list.filter((job) => job.running).map((job) => `process ${job.running?.pid}`),
    training: { succeeded: true, stalled: false, checkpointUri },
    completedShards: list.some((job) => job.state === 'succeeded') ? [0] : [],
    progress: document ? [{ shard: 0, document }] : [],
  };
}

function programOf(name: string, { job, folder, checkpointUri }: LocalSynthesis, uid: string): Program {
  const object: SynthesisJob = { ...job, metadata: { ...job.metadata, uid }, spec: { ...job.spec, shards: 1 } };
  const run = resolveSynthesisRun(object, { cluster: 'local', port: 0, shard: 0, checkpointUri, outputUri: folderUri(folder) });
  return {
    command: trainerCommand('synthesize'),
    env: { PGGAN_RUN: JSON.stringify(run) },
    log: join(folder, 'trainer.log'),
    terminationLog: join(folder, '.pggan', `${name}.json`),
  };
}

function settled(conditions: NonNullable<SynthesisState['status']>['conditions']): Pick<Round, 'settled'> {
  if (isTrue(conditions, 'Succeeded')) return { settled: 'succeeded' };
  const stalled = conditions.find((condition) => condition.type === 'Stalled');
  if (stalled && stalled.reason !== 'StoreUnavailable') return { settled: 'stalled' };
  return isTrue(conditions, 'Suspended') ? { settled: 'suspended' } : {};
}
