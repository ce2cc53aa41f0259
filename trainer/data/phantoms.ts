/** Makes a dataset of synthetic radiographs, labelled "phantom", so that everything can be tried without a patient's image. */
import { PgganError } from '../../crds/errors.ts';
import { createRandom } from '../train/random.ts';
import { type Description, MAX_RESOLUTION, MIN_RESOLUTION } from './folder.ts';
import { drawPhantom } from './phantom.ts';
import { type OnProgress, writeDataset } from './write-dataset.ts';

export type CreatePhantoms = {
  /** The dataset folder to make; it must not be there yet. */
  readonly folder: string;
  /** What the dataset's files begin with; the folder's own name unless given. */
  readonly name?: string | undefined;
  readonly count: number;
  readonly resolution: number;
  readonly seed: number;
  /** Share of the images, 0 to 1, that show an opacity (consolidation); 0 unless given. */
  readonly opacity?: number;
  readonly onProgress?: OnProgress;
};

/** @throws {PgganError} UsageInvalid, DatasetExists, StoreFull, StoreUnavailable */
export async function createPhantoms(options: CreatePhantoms): Promise<Description> {
  const { folder, name, count, resolution, seed, opacity = 0 } = options;
  const powerOfTwo = Number.isInteger(Math.log2(resolution)) && resolution >= MIN_RESOLUTION && resolution <= MAX_RESOLUTION;
  demand(powerOfTwo, `resolution ${resolution}: must be a power of two from ${MIN_RESOLUTION} to ${MAX_RESOLUTION}`);
  demand(Number.isSafeInteger(count) && count >= 1, `count ${count}: must be a whole number from 1`);
  demand(Number.isSafeInteger(seed) && seed >= 0, `seed ${seed}: must be a whole number from 0`);
  demand(opacity >= 0 && opacity <= 1, `opacity ${opacity}: must be a share from 0 to 1`);
  const random = createRandom(seed);
  const image = async (index: number): Promise<Uint8Array> => drawPhantom(random, index, { resolution, opacity });
  const source = { kind: 'phantom', seed, opacity } as const;
  return await writeDataset({ folder, name, channels: 1, resolution, images: count, source }, image, options.onProgress);
}

function demand(holds: boolean, message: string): void {
  if (!holds) throw new PgganError('UsageInvalid', message);
}
