/** Temporary files of a file store: named after the process that writes them, so that those of dead writers can be removed. */
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './file-errors.ts';
import { isAbandoned, UNFINISHED, unfinishedName } from './unfinished-names.ts';

export type Scratch = {
  /** Writes and fsyncs a temporary file; its path. Nothing is left where that fails. */
  write(parts: readonly Uint8Array[]): Promise<string>;
  /** Copies a file to a temporary one, as write does. */
  copy(file: string): Promise<string>;
  /** Puts a temporary file in the place of `path`, atomically, and keeps it. */
  copyTo(temporary: string, path: string): Promise<void>;
  /** Removes temporary files whose writers are gone. */
  removeStale(): Promise<void>;
};

/** The temporary files of the store at `root`, on the same file system as what they become. */
export function scratchFolder(root: string): Scratch {
  const folder = join(root, UNFINISHED);
  const nextPath = (): string => join(folder, unfinishedName());

  const make = async (fill: (path: string) => Promise<void>): Promise<string> => {
    await mkdir(folder, { recursive: true });
    const path = nextPath();
    try {
      await fill(path);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return path;
  };

  return {
    write: (parts) => make((path) => writeDurably(path, parts)),
    copy: (file) => make((path) => copyDurably(file, path)),
    async copyTo(temporary, path) {
      const second = nextPath();
      await link(temporary, second);
      await rename(second, path);
      // Renaming a link to another link of the same file does nothing and leaves both.
      await rm(second, { force: true });
      await syncFolder(dirname(path));
    },
    async removeStale() {
      for (const name of await namesIn(folder)) {
        if (await isStale(folder, name)) await rm(join(folder, name), { force: true });
      }
    },
  };
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeDurably(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    for (const part of parts) {
      for (let done = 0; done < part.byteLength; ) done += (await handle.write(part, done)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copyDurably(file: string, path: string): Promise<void> {
  await copyFile(file, path);
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A writer touches its file all the time. */
async function isStale(folder: string, name: string): Promise<boolean> {
  try {
    return await isAbandoned(name, async () => (await stat(join(folder, name))).mtimeMs);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
