/** Reads what a file store holds: which file is an object's current generation, and what is in it. */
import type { Stats } from 'node:fs';
import { copyFile, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, isFull, storeError } from './file-errors.ts';
import { checkSize } from './keys.ts';
import type { StoreEntry } from './store.ts';

/** The object's metadata, or undefined when there is none. */
export async function headOf(root: string, key: string): Promise<StoreEntry | undefined> {
  const generation = await newestGeneration(root, key);
  const path = generation === undefined ? join(root, key) : join(generationsOf(root, key), String(generation));
  const stats = await present(stat(path));
  if (!stats) return generation === undefined ? undefined : headOf(root, key);
  if (!stats.isFile()) return undefined;
  return generation === undefined ? plainEntry(key, stats) : { key, size: stats.size, version: versionOf(generation) };
}

/** The object's bytes, or undefined when there is none. @throws {PgganError} CheckpointInvalid where they are more than `maxBytes` */
export async function readCurrent(root: string, key: string, maxBytes?: number): Promise<Buffer | undefined> {
  const generation = await newestGeneration(root, key);
  const path = generation === undefined ? join(root, key) : join(generationsOf(root, key), String(generation));
  const handle = await present(open(path));
  // Superseded between listing and reading: then there is a newer one.
  if (!handle) return generation === undefined ? undefined : readCurrent(root, key, maxBytes);
  try {
    checkSize(key, (await handle.stat()).size, maxBytes);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

export async function readRange(root: string, key: string, start: number, end: number): Promise<Buffer | undefined> {
  const handle = await present(open(await currentPath(root, key)));
  if (!handle) return undefined;
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Copies the object to a file that appears when it is whole; undefined when there is no object. @throws {PgganError} StoreFull, naming the file */
export async function download(root: string, key: string, file: string): Promise<StoreEntry | undefined> {
  const entry = await headOf(root, key);
  if (!entry) return undefined;
  const part = `${file}.part`;
  try {
    if ((await present(copyFile(await currentPath(root, key), part).then(() => true))) === undefined) return undefined;
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    // There is room enough where the object is.
    throw isFull(error) ? storeError(file, 'write', '', error) : error;
  }
  return entry;
}

async function currentPath(root: string, key: string): Promise<string> {
  const generation = await newestGeneration(root, key);
  return generation === undefined ? join(root, key) : join(generationsOf(root, key), String(generation));
}

/** All objects below a folder, in no order. */
export async function walk(root: string, folder: string): Promise<readonly StoreEntry[]> {
  const found = (await present(readdir(join(root, folder), { withFileTypes: true }))) ?? [];
  const entries: StoreEntry[] = [];
  for (const item of found) {
    if (item.name.startsWith('.')) continue;
    const key = `${folder}${item.name}`;
    if (item.isDirectory()) entries.push(...(await walk(root, `${key}/`)));
    else {
      const entry = await headOf(root, key);
      if (entry) entries.push(entry);
    }
  }
  return entries;
}

/** Inode, size and time of the last change: two objects of one name that are alive one after the other differ in at least one. */
export function plainEntry(key: string, { ino, size, mtimeMs }: Stats): StoreEntry {
  return { key, size, version: `${ino}-${size}-${mtimeMs}` };
}

export const versionOf = (generation: number): string => `g${generation}`;
export const generationOf = (version: string): number | undefined => (version.startsWith('g') ? Number(version.slice(1)) : undefined);

export function generationsOf(root: string, key: string): string {
  const slash = key.lastIndexOf('/') + 1;
  return join(root, key.slice(0, slash), `.${key.slice(slash)}.generations`);
}

export async function newestGeneration(root: string, key: string): Promise<number | undefined> {
  const generations = await generationsIn(generationsOf(root, key));
  return generations.length > 0 ? Math.max(...generations) : undefined;
}

/** In no order. Others leave files there too: NFS keeps what is removed while it is open as .nfs..., and tools that copy have parts of files. */
export async function generationsIn(folder: string): Promise<readonly number[]> {
  const names = (await present(readdir(folder))) ?? [];
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The result, or undefined where the file is not there. */
async function present<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
