/** What the networks of a run folder are, from its run.json: of a run that was trained here, or of a snapshot that was imported. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import { type NetworkOptions, runDocument, type TrainingRun } from '../../crds/run.ts';
import { importedOptions } from './imported.ts';
import type { RunRecord } from './run-folder.ts';

export type DescribedNetworks = {
  /** The options that it was trained with; undefined for an imported snapshot, which does not say. */
  readonly run: TrainingRun | undefined;
  readonly network: NetworkOptions;
  readonly resolution: number;
  readonly firstResolution: number;
};

/** @param uri of the folder, for messages @throws {PgganError} CheckpointInvalid */
export function describedNetworks({ options }: RunRecord, uri: string): DescribedNetworks {
  const imported = importedOptions.safeParse(options);
  if (imported.success) {
    const { network, resolution } = imported.data;
    return { run: undefined, network, resolution, firstResolution: resolution };
  }
  const run = runDocument.safeParse(options);
  if (!run.success || run.data.kind !== 'training') {
    throw new PgganError(
      'CheckpointInvalid',
      `run.json in ${uri} does not say how the run was trained: ${run.error ? z.prettifyError(run.error) : 'its kind is not training'}`,
    );
  }
  const { network, schedule } = run.data;
  return { run: run.data, network, resolution: schedule.resolution, firstResolution: schedule.initialResolution };
}
