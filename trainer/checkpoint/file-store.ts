/** A store in a folder: atomic writes, conditional writes that hold between processes, nothing half-written left behind. */
import { link, mkdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeOf, storeError } from './file-errors.ts';
import {
  download,
  generationOf,
  generationsIn,
  generationsOf,
  headOf,
  newestGeneration,
  plainEntry,
  readCurrent,
  readRange,
  versionOf,
  walk,
} from './file-objects.ts';
import { checkKey } from './keys.ts';
import { compareNames } from './safetensors.ts';
import { type Scratch, scratchFolder, syncFolder } from './scratch.ts';
import type { Condition, Store, StoreEntry } from './store.ts';

export type FileStoreOptions = {
  /** Whether a missing folder is made by the first write (default), or is an error from the start, as for a dataset. */
  readonly create?: boolean;
};

/**
 * A store of the files below `folder`. An unconditional write is temp file, fsync, rename, fsync of the folder. A write on condition
 * 'absent' is a link, which fails where the name is taken. A write on condition 'version' has to be a compare-and-swap, which no file
 * system offers: the object then lives in generations (`.<name>.generations/<n>`), of which the highest is the object. Generation n+1 is
 * made by a link that only one of several writers wins, whole, and a crash leaves no lock behind; `<name>` is kept as a copy for people.
 * @throws {PgganError} StoreUnavailable, StoreFull; OptionsInvalid for an invalid key
 */
export function fileStore(folder: string, options: FileStoreOptions = {}): Store {
  const root = resolve(folder);
  const uri = pathToFileURL(root).href;
  const scratch = scratchFolder(root);

  async function guarded<T>(verb: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      if (options.create === false) await stat(root);
      return await work();
    } catch (cause) {
      throw storeError(uri, verb, key, cause);
    }
  }

  return {
    uri,
    list: (prefix) =>
      guarded('list', prefix, async () => {
        await scratch.removeStale();
        const parent = prefix.slice(0, prefix.lastIndexOf('/') + 1);
        const entries = await walk(root, parent);
        return entries.filter(({ key }) => key.startsWith(prefix)).sort((a, b) => compareNames(a.key, b.key));
      }),
    head: (key) => guarded('read', checked(key), () => headOf(root, key)),
    read: (key, maxBytes) => guarded('read', checked(key), () => readCurrent(root, key, maxBytes)),
    readRange: (key, start, end) => guarded('read', checked(key), () => readRange(root, key, start, end)),
    write: (key, parts, condition) =>
      guarded('write', checked(key), () => write(root, scratch, key, () => scratch.write(parts), condition)),
    upload: (key, file, condition) => guarded('write', checked(key), () => write(root, scratch, key, () => scratch.copy(file), condition)),
    download: (key, file) => guarded('read', checked(key), () => download(root, key, file)),
    remove: (key) =>
      guarded('remove', checked(key), async () => {
        await rm(generationsOf(root, key), { recursive: true, force: true });
        await rm(join(root, key), { force: true });
        await removeEmptyFolders(root, dirname(key));
      }),
  };
}

function checked(key: string): string {
  checkKey(key);
  return key;
}

async function write(root: string, scratch: Scratch, key: string, prepare: () => Promise<string>, condition: Condition | undefined) {
  if (condition?.kind === 'version' && (await headOf(root, key))?.version !== condition.version) return undefined;
  const written = await prepare();
  try {
    const generation = await newestGeneration(root, key);
    if (condition?.kind === 'absent') return generation === undefined ? await publishNew(root, key, written) : undefined;
    if (condition?.kind === 'version') return await publishNext(root, scratch, key, written, condition.version);
    if (generation === undefined) return await publish(root, key, written);
    // An object with generations is replaced by the next one, however many writers are faster.
    for (;;) {
      const version = (await headOf(root, key))?.version ?? '';
      const entry = await publishNext(root, scratch, key, written, version);
      if (entry) return entry;
    }
  } finally {
    await rm(written, { force: true });
  }
}

async function publish(root: string, key: string, written: string): Promise<StoreEntry> {
  const path = join(root, key);
  const entry = plainEntry(key, await stat(written));
  await withFolder(path, () => rename(written, path));
  return entry;
}

async function publishNew(root: string, key: string, written: string): Promise<StoreEntry | undefined> {
  const path = join(root, key);
  const entry = plainEntry(key, await stat(written));
  return (await withFolder(path, () => linkOnce(written, path))) ? entry : undefined;
}

/** Makes the generation after `version`; undefined where another writer has made it. */
async function publishNext(root: string, scratch: Scratch, key: string, written: string, version: string): Promise<StoreEntry | undefined> {
  const next = (generationOf(version) ?? 0) + 1;
  const path = join(generationsOf(root, key), String(next));
  const { size } = await stat(written);
  if (!(await withFolder(path, () => linkOnce(written, path)))) return undefined;
  // Lower generations are removed once they are superseded, so a slow writer may have made one that was there before: it never counts.
  if ((await newestGeneration(root, key)) !== next) return undefined;
  for (const generation of await generationsIn(dirname(path))) {
    if (generation < next) await rm(join(dirname(path), String(generation)), { force: true });
  }
  await scratch.copyTo(written, join(root, key));
  return { key, size, version: versionOf(next) };
}

/** Runs `change` in a folder that exists, then makes the change durable. */
async function withFolder<T>(path: string, change: () => Promise<T>): Promise<T> {
  const made = await mkdir(dirname(path), { recursive: true });
  const result = await change();
  await syncFolder(dirname(path));
  if (made) await syncFolder(dirname(made));
  return result;
}

async function linkOnce(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let current = folder; current !== '.'; current = dirname(current)) {
    try {
      await rmdir(join(root, current));
    } catch {
      return;
    }
  }
}
