/** Writes a dataset's images as PNG files, in file order. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { PgganError } from '../../crds/errors.ts';
import { codeOf, storeError } from '../checkpoint/file-errors.ts';
import { type Dataset, type DatasetOptions, openDataset } from './dataset.ts';
import { showsPhantoms } from './folder.ts';
import type { OnProgress } from './write-dataset.ts';

/**
 * Writes img00000000.png, ... at full resolution into `outputDir`, which must be empty or absent. Phantoms say so in each file's text.
 * Returns the number of images. @throws {PgganError} DatasetInvalid, DatasetExists, StoreUnavailable, StoreFull
 */
export async function extractDataset(
  pathOrUri: string,
  outputDir: string,
  onProgress?: OnProgress,
  options: DatasetOptions = {},
): Promise<number> {
  const dataset = await openDataset(pathOrUri, options);
  try {
    await mkdir(outputDir, { recursive: true });
    if ((await readdir(outputDir)).length > 0)
      throw new PgganError('DatasetExists', `${outputDir} is not empty: name an empty or a new folder`);
    for (let index = 0; index < dataset.images; index++) {
      await writeFile(join(outputDir, `img${String(index).padStart(8, '0')}.png`), png(dataset, index));
      onProgress?.(index + 1, dataset.images);
    }
    return dataset.images;
  } catch (error) {
    throw codeOf(error) === undefined ? error : storeError(outputDir, 'write', '', error);
  } finally {
    dataset.close();
  }
}

function png(dataset: Dataset, index: number): Uint8Array {
  const { resolution, channels } = dataset;
  const data = dataset.read(resolution, [index]);
  const text = showsPhantoms(dataset.source) ? { Source: 'phantom' } : {};
  return encode({ width: resolution, height: resolution, channels, depth: 8, data, text });
}
