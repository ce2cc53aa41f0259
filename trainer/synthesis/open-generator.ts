/** Finds the averaged generator of a run folder or of one of its checkpoints, with what it was trained on. */
import { PgganError } from '../../crds/errors.ts';
import type { CheckpointRef } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { ProgramDefinition } from '../backend/program.ts';
import { describedNetworks } from '../checkpoint/described.ts';
import type { CheckpointManifest } from '../checkpoint/format.ts';
import type { Access } from '../checkpoint/open-store.ts';
import { loadFrom } from '../checkpoint/load-from.ts';
import { readRun, type RunRecord } from '../checkpoint/run-folder.ts';
import type { Store } from '../checkpoint/store.ts';
import type { NetworkShape } from '../networks/weights.ts';
import { averagedGenerator } from '../train/tensor-files.ts';
import { createSampler, type Sampler } from './sampler.ts';

export type OpenGenerator = {
  readonly store: Store;
  readonly record: RunRecord;
  /** The options that the run was trained with; undefined for an imported snapshot, which does not say. */
  readonly run: TrainingRun | undefined;
  readonly checkpoint: CheckpointRef;
  readonly manifest: CheckpointManifest;
  readonly weightsDigest: string;
  readonly shape: NetworkShape;
  /** Stored weights by name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Level of detail that the checkpoint stands at. */
  readonly lod: number;
  readonly warnings: readonly string[];
  sampler(minibatch: number, mode: ProgramDefinition['mode']): Sampler;
};

/** @param uri a run folder (its newest good checkpoint is used) or `<run folder>/checkpoints/<images>` @throws {PgganError} CheckpointInvalid */
export async function openGenerator(uri: string, s3?: Access): Promise<OpenGenerator> {
  const { store, checkpoint, skipped } = await loadFrom(uri, ['generator-ema'], s3);
  const record = await readRun(store);
  if (!record) throw new PgganError('CheckpointInvalid', `${store.uri} is no run folder: it has no run.json`);
  const { run, network, resolution, firstResolution } = describedNetworks(record, store.uri);
  const inputs = checkpoint.files['generator-ema'].tensors.get('4x4/Dense/weight')?.shape[0];
  if (inputs === undefined) throw new PgganError('CheckpointInvalid', `${checkpoint.key}generator-ema.safetensors has no 4x4/Dense/weight`);
  const shape = { ...network, resolution, labelSize: Math.max(0, inputs - network.latentSize) };
  const weights = averagedGenerator(shape, checkpoint);
  const lod = checkpoint.state.previousLod ?? Math.log2(resolution / firstResolution);
  return {
    store,
    record,
    run,
    checkpoint: checkpoint.ref,
    manifest: checkpoint.manifest,
    weightsDigest: checkpoint.manifest.weightsDigest,
    shape,
    weights,
    lod,
    warnings: skipped.map(({ key: damaged, reason }) => `checkpoint ${damaged} is damaged and was skipped: ${reason}`),
    sampler: (minibatch, mode) => createSampler({ shape, weights, lod, minibatch, mode }),
  };
}

/** The options that a generator was trained with. @throws {PgganError} OptionsInvalid for one that was imported */
export function trainingOf({ run, store }: OpenGenerator): TrainingRun {
  if (run) return run;
  throw new PgganError(
    'OptionsInvalid',
    `${store.uri} was imported from a snapshot, which does not say what data it was trained on: train on from it (spec.initFrom) first`,
  );
}
