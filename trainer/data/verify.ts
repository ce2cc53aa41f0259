/** Checks a dataset down to the last byte: checksums, shapes, labels, the pyramid, and what its description promises. */
import { basename, join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { fileDigest } from '../checkpoint/file-digest.ts';
import { channelsFirst } from './channels.ts';
import { type Dataset, type DatasetOptions, openDataset } from './dataset.ts';
import { DESCRIPTION, localFolder, readDescription } from './folder.ts';
import { pyramid } from './pyramid.ts';
import type { OnProgress } from './write-dataset.ts';

export type VerifiedDataset = Pick<Dataset, 'name' | 'source' | 'images' | 'channels' | 'resolution' | 'labelSize' | 'digest' | 'bytes'>;

/**
 * Reads every record of every resolution. Smaller images must be reductions of the largest one, within one grey level (other tools round
 * differently), so that files of different datasets are told apart.
 * @throws {PgganError} DatasetInvalid or StoreUnavailable at the first thing that is wrong
 */
export async function verifyDataset(pathOrUri: string, onProgress?: OnProgress, options: DatasetOptions = {}): Promise<VerifiedDataset> {
  const dataset = await openDataset(pathOrUri, options);
  try {
    // What is fetched from an object store has been compared with its description.
    if (!pathOrUri.startsWith('s3://')) await checkDescription(localFolder(pathOrUri));
    for (let index = 0; index < dataset.images; index++) {
      checkPyramid(dataset, index);
      onProgress?.(index + 1, dataset.images);
    }
    return dataset;
  } finally {
    dataset.close();
  }
}

async function checkDescription(folder: string): Promise<void> {
  const description = await readDescription(folder);
  for (const { name, bytes, sha256 } of description?.files ?? []) {
    const found = await fileDigest(join(folder, basename(name))).catch((cause: unknown) => {
      throw new PgganError('DatasetInvalid', `${folder} lacks ${name}, which its ${DESCRIPTION} lists`, { cause });
    });
    if (found.bytes === bytes && found.sha256 === sha256) continue;
    throw new PgganError(
      'DatasetInvalid',
      `${join(folder, name)} is not the file that ${DESCRIPTION} describes (${bytes} bytes, SHA-256 ${sha256.slice(0, 12)}...)`,
    );
  }
}

function checkPyramid(dataset: Dataset, index: number): void {
  const { channels, resolution } = dataset;
  const planes = (size: number): Uint8Array => channelsFirst(dataset.read(size, [index]), channels);
  for (const level of pyramid(planes(resolution), channels, resolution)) {
    const stored = planes(level.resolution);
    const apart = level.pixels.findIndex((value, i) => Math.abs(value - (stored[i] ?? 0)) > 1);
    if (apart < 0) continue;
    const where = `image ${index} at ${level.resolution}x${level.resolution}`;
    throw new PgganError('DatasetInvalid', `dataset ${dataset.folder}: ${where} is not the reduced image of ${resolution}x${resolution}`);
  }
}
