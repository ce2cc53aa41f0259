/** Waits for files to change, by inotify: no clock decides what a test sees. */
import { type FSWatcher, mkdirSync, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';

/**
 * Calls `look` at once and after every change in `folder` or a folder right below it, until it returns something. Changes while `look` runs
 * make it look again. `failed` ends the waiting with its rejection.
 */
export async function whenChanged<T>(
  folder: string,
  look: () => T | undefined | Promise<T | undefined>,
  failed: Promise<never>,
): Promise<T> {
  mkdirSync(folder, { recursive: true });
  const watchers = new Map<string, FSWatcher>();
  let next = Promise.withResolvers<void>();
  const listen = (path: string): void => {
    // A folder that was removed and made again is another one.
    const folderId = `${path} ${statSync(path).ino}`;
    if (watchers.has(folderId)) return;
    const watcher = watch(path, () => next.resolve());
    watcher.on('error', () => next.resolve());
    watchers.set(folderId, watcher);
  };
  try {
    for (;;) {
      listen(folder);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) attempt(() => listen(join(folder, entry.name)));
      }
      const found = await look();
      if (found !== undefined) return found;
      await Promise.race([next.promise, failed]);
      next = Promise.withResolvers<void>();
    }
  } finally {
    for (const watcher of watchers.values()) watcher.close();
  }
}

/** A folder may go between being listed and being watched; it is listed again at the next change. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
