/** Folders of a process's own for what is on its way from one place to another; what killed processes have left of theirs is removed. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { codeOf, storeError } from './file-errors.ts';
import { isAbandoned, unfinishedName } from './unfinished-names.ts';

const PREFIX = 'pggan-working-';

/** A folder, not made yet, in PGGAN_SCRATCH or where this machine keeps temporary files; see `inWorkingFolder`. */
export const workingFolder = (): string => join(process.env['PGGAN_SCRATCH'] || tmpdir(), `${PREFIX}${unfinishedName()}`);

/** Runs `work` when its folder is there, and those of dead processes are not; failures of the disk are told by the folder's name. */
export async function inWorkingFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    if ((await mkdir(folder, { recursive: true })) !== undefined) await removeAbandoned(dirname(folder));
    return await work();
  } catch (error) {
    throw codeOf(error) === undefined ? error : storeError(folder, 'write', '', error);
  }
}

/** Runs `work` in a working folder, which is removed afterwards. */
export async function withWorkingFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = workingFolder();
  return inWorkingFolder(folder, async () => {
    try {
      return await work(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (!name.startsWith(PREFIX)) continue;
    // Another process may be removing the same.
    const gone = await isAbandoned(name.slice(PREFIX.length), async () => (await stat(path)).mtimeMs).catch(() => false);
    if (gone) await rm(path, { recursive: true, force: true });
  }
}
