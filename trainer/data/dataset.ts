/** A dataset, open for reading: images by number at every resolution, labels, and the digest that goes into a run's fingerprint. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { copyChannelsLast } from './channels.ts';
import { type DatasetSource, datasetDigest, localFolder, MIN_RESOLUTION } from './folder.ts';
import { type Labels, parseLabels } from './npy.ts';
import { localPlace } from './place.ts';
import { type RemoteOptions, remotePlace } from './remote-place.ts';
import { openRecords, type RecordFile } from './tfrecord.ts';

/** Paths of TFRecord files by resolution. */
export type ImageFiles = ReadonlyMap<number, string>;

export interface Dataset {
  readonly name: string;
  /** The folder's path, or the address in an object store. */
  readonly folder: string;
  readonly source: DatasetSource;
  readonly images: number;
  readonly channels: 1 | 3;
  /** Of the largest images; every power of two from 4 up to it can be read. */
  readonly resolution: number;
  /** Values per label; 0 without labels. */
  readonly labelSize: number;
  /** One row of `labelSize` values per image. */
  readonly labels?: Float32Array;
  /** SHA-256, in hex, of everything a network sees of this dataset. */
  readonly digest: string;
  /** Path of each resolution's file that is there whole. */
  readonly files: ImageFiles;
  /** Size of each resolution's file: what a phase has to fetch. */
  readonly bytes: ReadonlyMap<number, number>;
  /**
   * Pixels of the images numbered, [indexes.length, resolution, resolution, channels] uint8: channels last, as the network is fed.
   * Every record's checksum is verified. @throws {PgganError} DatasetInvalid naming file and offset
   */
  read(resolution: number, indexes: ArrayLike<number>): Uint8Array;
  /**
   * Fetches what `read` then finds: the images of a resolution, or only those numbered. Nothing to do for a folder, and for resolutions that
   * the dataset was opened for. @throws {PgganError} StoreUnavailable, StoreFull, DatasetInvalid
   */
  prepare(resolution: number, indexes?: readonly number[]): Promise<void>;
  close(): void;
}

export type DatasetOptions = RemoteOptions & {
  /** Of a dataset in an object store: the resolutions to be read (all by default). Others have to be prepared. */
  readonly resolutions?: readonly number[];
};

/**
 * Opens a dataset (a path, a file:// or an s3:// URI) and checks that its files belong together. The files of a folder are read once, for
 * the digest; of an object store those are fetched that are asked for, and the smallest.
 * @throws {PgganError} StoreUnavailable where there is no such folder, DatasetInvalid where it is no dataset
 */
export async function openDataset(pathOrUri: string, options: DatasetOptions = {}): Promise<Dataset> {
  const place = pathOrUri.startsWith('s3://') ? await remotePlace(pathOrUri, options) : await localPlace(localFolder(pathOrUri));
  const { files, description } = place;
  const levels = new Map<number, RecordFile>();
  const inPart = new Set<number>();
  const close = (): void => {
    for (const level of levels.values()) level.close();
    levels.clear();
    place.remove();
  };
  try {
    const isWanted = (resolution: number): boolean =>
      place.isLocal || resolution === MIN_RESOLUTION || (options.resolutions?.includes(resolution) ?? true);
    for (const { resolution, file } of files.levels) {
      if (isWanted(resolution)) levels.set(resolution, openLevel(await place.whole(file), resolution));
    }
    const { images, channels } = agreed([...levels.values()]);
    const labels = files.labels === undefined ? undefined : await labelsOf(await place.whole(files.labels), images);
    return {
      name: files.name,
      folder: place.where,
      source: description?.source ?? { kind: 'unknown' },
      images,
      channels,
      resolution: Math.max(...files.levels.map(({ resolution }) => resolution)),
      labelSize: labels?.size ?? 0,
      ...(labels ? { labels: labels.values } : {}),
      digest: datasetDigest(files, await place.digests()),
      get files() {
        return new Map([...levels].filter(([resolution]) => !inPart.has(resolution)).map(([resolution, { file }]) => [resolution, file]));
      },
      bytes: new Map(files.levels.map(({ resolution, file }) => [resolution, place.sizes.get(file) ?? 0])),
      async prepare(resolution, indexes) {
        const file = files.levels.find((level) => level.resolution === resolution)?.file;
        if (file === undefined || (levels.has(resolution) && !inPart.has(resolution))) return;
        const level = openLevel(await (indexes ? place.some(file, indexes) : place.whole(file)), resolution);
        levels.get(resolution)?.close();
        levels.set(resolution, level);
        if (indexes) inPart.add(resolution);
        else inPart.delete(resolution);
        agreed([...levels.values()]);
      },
      read: (resolution, indexes) => readBatch(levels.get(resolution) ?? none(resolution, place.where), indexes),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Reads images of files that `openDataset` has checked; each is opened when it is first asked for. */
export function openImages(files: ImageFiles): Pick<Dataset, 'read' | 'close'> {
  const levels = new Map<number, RecordFile>();
  return {
    read(resolution, indexes) {
      const level = levels.get(resolution) ?? openLevel(files.get(resolution) ?? none(resolution, 'at hand'), resolution);
      levels.set(resolution, level);
      return readBatch(level, indexes);
    },
    close() {
      for (const level of levels.values()) level.close();
      levels.clear();
    },
  };
}

function none(resolution: number, folder: string): never {
  throw new PgganError('DatasetInvalid', `dataset ${folder} has no images of ${resolution}x${resolution}`);
}

function openLevel(file: string, resolution: number): RecordFile {
  const level = openRecords(file);
  const [channels, height, width] = level.shape;
  if ((channels === 1 || channels === 3) && height === resolution && width === resolution) return level;
  level.close();
  const want = `[1 or 3, ${resolution}, ${resolution}]`;
  throw new PgganError('DatasetInvalid', `${file} holds images of shape [${level.shape.join(', ')}], but its name promises ${want}`);
}

function agreed(levels: readonly RecordFile[]): { readonly images: number; readonly channels: 1 | 3 } {
  const [first] = levels;
  const other = levels.find((level) => contents(level) !== contents(first));
  if (other) {
    const found = `${basename(first?.file ?? '')} holds ${contents(first)}, ${basename(other.file)} holds ${contents(other)}`;
    throw new PgganError('DatasetInvalid', `the files of dataset ${other.file} do not belong together: ${found}`);
  }
  return { images: first?.records ?? 0, channels: first?.shape[0] === 3 ? 3 : 1 };
}

const contents = (level: RecordFile | undefined): string => `${level?.records} images of ${level?.shape[0]} channel(s)`;

async function labelsOf(file: string, images: number): Promise<Labels | undefined> {
  const labels = parseLabels(file, await readFile(file));
  if (labels.rows === images) return labels;
  throw new PgganError('DatasetInvalid', `${file} labels ${labels.rows} images, but the dataset has ${images}`);
}

function readBatch(level: RecordFile, indexes: ArrayLike<number>): Uint8Array {
  const size = level.shape[0] * level.shape[1] * level.shape[2];
  const batch = new Uint8Array(indexes.length * size);
  for (let i = 0; i < indexes.length; i++) {
    copyChannelsLast(level.read(indexes[i] ?? -1), level.shape[0], batch.subarray(i * size, (i + 1) * size));
  }
  return batch;
}
