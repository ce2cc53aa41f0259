/** Temporary files of a file store: named after the process that writes them, so that those of dead writers can be removed. */
import { createHash } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './file-errors.ts';
import { livenessOf, thisProcess } from './process-identity.ts';

export type Scratch = {
  /** Writes and fsyncs a temporary file; its path. Nothing is left where that fails. */
  write(parts: readonly Uint8Array[]): Promise<string>;
  /** Puts a temporary file in the place of `path`, atomically, and keeps it. */
  copyTo(temporary: string, path: string): Promise<void>;
  /** Removes temporary files whose writers are gone. */
  removeStale(): Promise<void>;
};

/** A writer on another machine touches its file all the time; one untouched for this long is dead. */
const ABANDONED_MS = 60 * 60 * 1000;

/** The temporary files of the store at `root`, on the same file system as what they become. */
export function scratchFolder(root: string): Scratch {
  const folder = join(root, '.unfinished');
  const { place, pid, startTime } = thisProcess();
  let counter = 0;

  const nextPath = (): string => {
    counter += 1;
    // The folder's own count is not enough: two stores of one process may share a root.
    const unique = createHash('sha256').update(`${counter} ${performance.now()} ${Math.random()}`).digest('hex').slice(0, 12);
    return join(folder, `${place}-${pid}-${startTime}-${unique}`);
  };

  return {
    async write(parts) {
      await mkdir(folder, { recursive: true });
      const path = nextPath();
      try {
        await writeDurably(path, parts);
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
      return path;
    },
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

async function isStale(folder: string, name: string): Promise<boolean> {
  const [place = '', pid, startTime] = name.split('-');
  const life = livenessOf({ place, pid: Number(pid), startTime: Number(startTime) });
  if (life !== 'elsewhere') return life === 'dead';
  try {
    return Date.now() - (await stat(join(folder, name))).mtimeMs > ABANDONED_MS;
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
