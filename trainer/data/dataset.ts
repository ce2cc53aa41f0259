/** A dataset folder, open for reading: images by number at every resolution, labels, and the digest that goes into a run's fingerprint. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { copyChannelsLast } from './channels.ts';
import { type DatasetSource, datasetDigest, type FolderFiles, fileDigest, folderFiles, localFolder, readDescription } from './folder.ts';
import { type Labels, parseLabels } from './npy.ts';
import { openRecords, type RecordFile } from './tfrecord.ts';

/** Paths of TFRecord files by resolution. */
export type ImageFiles = ReadonlyMap<number, string>;

export interface Dataset {
  readonly name: string;
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
  /** Path of each resolution's file. */
  readonly files: ImageFiles;
  /** Size of each resolution's file: what a phase has to fetch. */
  readonly bytes: ReadonlyMap<number, number>;
  /**
   * Pixels of the images numbered, [indexes.length, resolution, resolution, channels] uint8: channels last, as the network is fed.
   * Every record's checksum is verified. @throws {PgganError} DatasetInvalid naming file and offset
   */
  read(resolution: number, indexes: ArrayLike<number>): Uint8Array;
  close(): void;
}

/**
 * Opens a dataset folder (a path or a file:// URI) and checks that its files belong together. Reads every file once, for the digest.
 * @throws {PgganError} StoreUnavailable where there is no such folder, DatasetInvalid where it is no dataset
 */
export async function openDataset(pathOrUri: string): Promise<Dataset> {
  const folder = localFolder(pathOrUri);
  const files = await folderFiles(folder);
  const description = await readDescription(folder);
  const levels = new Map<number, RecordFile>();
  const close = (): void => {
    for (const level of levels.values()) level.close();
    levels.clear();
  };
  try {
    for (const { resolution, file } of files.levels) levels.set(resolution, openLevel(file, resolution));
    const { images, channels } = agreed([...levels.values()]);
    const labels = await labelsOf(files, images);
    return {
      name: files.name,
      folder,
      source: description?.source ?? { kind: 'unknown' },
      images,
      channels,
      resolution: Math.max(...levels.keys()),
      labelSize: labels?.size ?? 0,
      ...(labels ? { labels: labels.values } : {}),
      digest: await digestOf(files),
      files: new Map(files.levels.map(({ resolution, file }) => [resolution, file])),
      bytes: new Map([...levels].map(([resolution, level]) => [resolution, level.bytes])),
      read: (resolution, indexes) => readBatch(levels.get(resolution) ?? none(resolution, folder), indexes),
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

async function labelsOf(files: FolderFiles, images: number): Promise<Labels | undefined> {
  if (files.labels === undefined) return undefined;
  const labels = parseLabels(files.labels, await readFile(files.labels));
  if (labels.rows === images) return labels;
  throw new PgganError('DatasetInvalid', `${files.labels} labels ${labels.rows} images, but the dataset has ${images}`);
}

async function digestOf(files: FolderFiles): Promise<string> {
  const roles: Record<string, { readonly bytes: number; readonly sha256: string }> = {};
  for (const { resolution, file } of files.levels) roles[`r${String(Math.log2(resolution)).padStart(2, '0')}`] = await fileDigest(file);
  if (files.labels !== undefined) roles['labels'] = await fileDigest(files.labels);
  return datasetDigest(roles);
}

function readBatch(level: RecordFile, indexes: ArrayLike<number>): Uint8Array {
  const size = level.shape[0] * level.shape[1] * level.shape[2];
  const batch = new Uint8Array(indexes.length * size);
  for (let i = 0; i < indexes.length; i++) {
    copyChannelsLast(level.read(indexes[i] ?? -1), level.shape[0], batch.subarray(i * size, (i + 1) * size));
  }
  return batch;
}
