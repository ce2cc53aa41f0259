/** Finds the averaged generator of a run folder or of one of its checkpoints, with what it was trained on. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import type { CheckpointRef } from '../../crds/progress.ts';
import { runDocument, type StoreOptions, type TrainingRun } from '../../crds/run.ts';
import type { ProgramDefinition } from '../backend/program.ts';
import { loadFrom } from '../checkpoint/load-from.ts';
import { readRun, type RunRecord } from '../checkpoint/run-folder.ts';
import { floatsOf } from '../checkpoint/safetensors.ts';
import type { Store } from '../checkpoint/store.ts';
import type { NetworkShape } from '../networks/weights.ts';
import { createSampler, type Sampler } from './sampler.ts';

export type OpenGenerator = {
  readonly store: Store;
  readonly record: RunRecord;
  /** The options that the run was trained with. */
  readonly run: TrainingRun;
  readonly checkpoint: CheckpointRef;
  readonly weightsDigest: string;
  readonly shape: NetworkShape;
  readonly warnings: readonly string[];
  sampler(minibatch: number, mode: ProgramDefinition['mode']): Sampler;
};

/** @param uri a run folder (its newest good checkpoint is used) or `<run folder>/checkpoints/<images>` @throws {PgganError} CheckpointInvalid */
export async function openGenerator(uri: string, s3?: StoreOptions): Promise<OpenGenerator> {
  const { store, checkpoint, skipped } = await loadFrom(uri, ['generator-ema'], s3);
  const record = await readRun(store);
  if (!record) throw new PgganError('CheckpointInvalid', `${store.uri} is no run folder: it has no run.json`);
  const run = runDocument.safeParse(record.options);
  if (!run.success || run.data.kind !== 'training') {
    throw new PgganError(
      'CheckpointInvalid',
      `run.json in ${store.uri} does not say how the run was trained: ${run.error ? z.prettifyError(run.error) : 'its kind is not training'}`,
    );
  }
  const weights = new Map([...checkpoint.files['generator-ema'].tensors].map(([name, tensor]) => [name, floatsOf(tensor, name)]));
  const { network, schedule } = run.data;
  const inputs = checkpoint.files['generator-ema'].tensors.get('4x4/Dense/weight')?.shape[0];
  if (inputs === undefined) throw new PgganError('CheckpointInvalid', `${checkpoint.key}generator-ema.safetensors has no 4x4/Dense/weight`);
  const shape = { ...network, resolution: schedule.resolution, labelSize: inputs - network.latentSize };
  return {
    store,
    record,
    run: run.data,
    checkpoint: checkpoint.ref,
    weightsDigest: checkpoint.manifest.weightsDigest,
    shape,
    warnings: skipped.map(({ key: damaged, reason }) => `checkpoint ${damaged} is damaged and was skipped: ${reason}`),
    sampler: (minibatch, mode) =>
      createSampler({
        shape,
        weights,
        lod: checkpoint.state.previousLod ?? Math.log2(schedule.resolution / schedule.initialResolution),
        minibatch,
        mode,
      }),
  };
}
