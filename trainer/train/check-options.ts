/** Refuses a run whose options, schedule and dataset do not fit one another, before anything is computed or written. */
import { scheduleFaults } from '../../crds/check-schedule.ts';
import { PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { Dataset } from '../data/dataset.ts';

/** @throws {PgganError} DatasetInvalid or OptionsInvalid, naming what was found and what to change */
export function checkOptions(run: TrainingRun, dataset: Pick<Dataset, 'folder' | 'channels' | 'resolution'>): void {
  const { schedule, network, totalKimg } = run;
  if (dataset.resolution < schedule.resolution) {
    throw new PgganError(
      'DatasetInvalid',
      `dataset ${dataset.folder} ends at ${dataset.resolution}x${dataset.resolution}, the run wants ${schedule.resolution}x${schedule.resolution}: create it again at that size, or lower spec.resolution`,
    );
  }
  if (dataset.channels !== network.channels) {
    throw new PgganError(
      'DatasetInvalid',
      `dataset ${dataset.folder} has ${dataset.channels} channel(s), spec.network.channels is ${network.channels}: create it ${network.channels === 1 ? 'with --grayscale' : 'from RGB images'}, or set spec.network.channels`,
    );
  }
  const faults = scheduleFaults(schedule, network, totalKimg);
  if (faults.length > 0)
    throw new PgganError('OptionsInvalid', faults.map(({ kind, message }) => `${FIELDS[kind]}: ${message}`).join('; '));
}

const FIELDS = { growth: 'spec.schedule.trainKimg', length: 'spec.totalKimg', minibatch: 'minibatch', microbatch: 'microbatch' } as const;
