/** Writes a dataset folder as a whole or not at all: into a temporary folder beside it, made durable, then renamed. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { PgganError } from '../../crds/errors.ts';
import { codeOf, storeError } from '../checkpoint/file-errors.ts';
import { livenessOf, thisProcess } from '../checkpoint/process-identity.ts';
import { syncFolder } from '../checkpoint/scratch.ts';
import { DESCRIPTION, type DatasetSource, type Description, type FileEntry, labelsName, recordsName } from './folder.ts';
import { encodeLabels, type Labels } from './npy.ts';
import { pyramid } from './pyramid.ts';
import { recordBytes, recordEncoder } from './tfrecord.ts';

/** A dataset to be written. */
export type DatasetPlan = {
  /** The folder to make; it must not be there yet. */
  readonly folder: string;
  /** What its files begin with; the folder's own name unless given. */
  readonly name?: string | undefined;
  readonly channels: 1 | 3;
  readonly resolution: number;
  readonly images: number;
  readonly labels?: Labels;
  readonly source: DatasetSource;
};

/** Pixels of image `index` at full resolution, uint8 in C,H,W order. Several are asked for at once; they are written in order. */
export type ImageSource = (index: number) => Promise<Uint8Array>;

/** Called after every image, with the number of images written. */
export type OnProgress = (done: number, total: number) => void;

/** Size of a dataset's TFRecord files, in bytes. */
export function datasetBytes(channels: 1 | 3, resolution: number, images: number): number {
  return resolutionsDown(resolution).reduce((sum, size) => sum + images * recordBytes([channels, size, size]), 0);
}

/**
 * Checks that the folder can be made and that it fits on its disk; nothing is written.
 * @throws {PgganError} DatasetExists, StoreFull, StoreUnavailable
 */
export async function checkTarget(plan: Pick<DatasetPlan, 'folder' | 'channels' | 'resolution' | 'images'>): Promise<void> {
  refuseExisting(plan.folder);
  const need = datasetBytes(plan.channels, plan.resolution, plan.images);
  const disk = await statfs(await existingParent(plan.folder));
  const free = disk.bavail * disk.bsize;
  if (need > free) {
    throw new PgganError(
      'StoreFull',
      `${plan.folder} would take ${need} bytes, but its disk has ${free} left: free some space or name a folder on another disk`,
    );
  }
}

/** Throws DatasetExists where there is something at `folder` already. */
export function refuseExisting(folder: string): void {
  if (existsSync(folder))
    throw new PgganError('DatasetExists', `${folder} is there already: name another folder, or remove this one first`);
}

/** Writes the dataset. A run that fails or is killed leaves no dataset; what a killed one left is removed by the next. */
export async function writeDataset(plan: DatasetPlan, image: ImageSource, onProgress?: OnProgress): Promise<Description> {
  await checkTarget(plan);
  const parent = dirname(resolve(plan.folder));
  const temporary = join(parent, temporaryName(plan.folder));
  try {
    await mkdir(parent, { recursive: true });
    await removeStale(parent, plan.folder);
    await mkdir(temporary);
    const description = await writeFiles(temporary, plan, image, onProgress);
    await syncFolder(temporary);
    refuseExisting(plan.folder);
    await rename(temporary, plan.folder);
    await syncFolder(parent);
    return description;
  } catch (error) {
    // What cannot be removed now is removed by the next writer; the error itself matters more.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') refuseExisting(plan.folder);
    throw codeOf(error) === undefined ? error : storeError(plan.folder, 'write', '', error);
  }
}

/** Images that are prepared at once: enough to keep the decoder's threads busy. */
const AHEAD = 8;

async function writeFiles(temporary: string, plan: DatasetPlan, image: ImageSource, onProgress?: OnProgress): Promise<Description> {
  const { channels, resolution, images, labels } = plan;
  const name = plan.name ?? basename(resolve(plan.folder));
  const sizes = resolutionsDown(resolution);
  const writers = await Promise.all(sizes.map((size) => recordWriter(join(temporary, recordsName(name, size)), channels, size)));
  const files: FileEntry[] = [];
  try {
    for (let first = 0; first < images; first += AHEAD) {
      const batch = await Promise.all(Array.from({ length: Math.min(AHEAD, images - first) }, (_, i) => image(first + i)));
      for (const pixels of batch) {
        for (const [level, { pixels: reduced }] of pyramid(pixels, channels, resolution).entries()) await writers[level]?.write(reduced);
      }
      onProgress?.(first + batch.length, images);
      // Signals are heard between turns of the event loop only.
      await setImmediate();
    }
    for (const writer of writers) files.push(await writer.finish());
  } finally {
    await Promise.all(writers.map((writer) => writer.close()));
  }
  if (labels) files.push(await writeDurably(join(temporary, labelsName(name)), encodeLabels(labels)));
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const description: Description = {
    format: 1,
    name,
    source: plan.source,
    images,
    channels,
    resolution,
    labelSize: labels?.size ?? 0,
    files,
  };
  await writeDurably(join(temporary, DESCRIPTION), Buffer.from(`${JSON.stringify(description, null, 2)}\n`));
  return description;
}

type RecordWriter = {
  readonly write: (pixels: Uint8Array) => Promise<void>;
  /** Makes the file durable. */
  readonly finish: () => Promise<FileEntry>;
  readonly close: () => Promise<void>;
};

const BUFFER = 1 << 20;

async function recordWriter(file: string, channels: 1 | 3, resolution: number): Promise<RecordWriter> {
  const handle = await open(file, 'wx');
  const encode = recordEncoder([channels, resolution, resolution]);
  const hash = createHash('sha256');
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const block = Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    hash.update(block);
    bytes += block.length;
    await handle.writeFile(block);
  };
  return {
    async write(pixels) {
      const record = encode(pixels);
      waiting.push(record);
      waitingBytes += record.length;
      if (waitingBytes >= BUFFER) await flush();
    },
    async finish() {
      await flush();
      await handle.sync();
      return { name: basename(file), bytes, sha256: hash.digest('hex') };
    },
    close: () => handle.close(),
  };
}

async function writeDurably(file: string, bytes: Buffer): Promise<FileEntry> {
  await writeFile(file, bytes, { flag: 'wx', flush: true });
  return { name: basename(file), bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** From the full resolution down to 4. */
function resolutionsDown(resolution: number): readonly number[] {
  return Array.from({ length: Math.log2(resolution) - 1 }, (_, i) => resolution / 2 ** i);
}

/** `.<folder>.<place>-<pid>-<start time>.unfinished`: names its writer, so that the next one can tell whether it still runs. */
function temporaryName(folder: string): string {
  const { place, pid, startTime } = thisProcess();
  return `${temporaryPrefix(folder)}${place}-${pid}-${startTime}${UNFINISHED}`;
}

const UNFINISHED = '.unfinished';
const temporaryPrefix = (folder: string): string => `.${basename(resolve(folder))}.`;
/** A writer on another machine is taken for dead when its folder has not changed for a day. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

async function removeStale(parent: string, folder: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(temporaryPrefix(folder)) || !name.endsWith(UNFINISHED)) continue;
    const path = join(parent, name);
    const [place = '', pid, startTime] = name.slice(temporaryPrefix(folder).length, -UNFINISHED.length).split('-');
    const life = livenessOf({ place, pid: Number(pid), startTime: Number(startTime) });
    const dead = life === 'dead' || (life === 'elsewhere' && Date.now() - (await stat(path)).mtimeMs > ABANDONED_MS);
    if (dead) await rm(path, { recursive: true, force: true });
  }
}

async function existingParent(folder: string): Promise<string> {
  for (let path = dirname(resolve(folder)); ; path = dirname(path)) {
    if (existsSync(path)) return path;
  }
}
