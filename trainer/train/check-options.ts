/** Refuses a run whose options, schedule and dataset do not fit one another, before anything is computed or written. */
import { PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { fadedInImages } from '../../crds/schedule.ts';
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
  for (const { resolution, minibatch } of schedule.levels) {
    const group = Math.min(network.mbstdGroupSize, minibatch);
    if (group > 0 && minibatch % group !== 0) {
      throw new PgganError(
        'OptionsInvalid',
        `minibatch ${minibatch} at ${resolution}x${resolution} is no multiple of the minibatch-stddev group of ${group}: change one of them`,
      );
    }
  }
  if (totalKimg * 1000 < fadedInImages(schedule)) {
    throw new PgganError(
      'OptionsInvalid',
      `totalKimg ${totalKimg} ends before ${schedule.resolution}x${schedule.resolution} has faded in at ${fadedInImages(schedule) / 1000} kimg: raise it, or shorten schedule.trainKimg and transitionKimg`,
    );
  }
}
