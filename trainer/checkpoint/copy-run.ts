/** Copies a run folder from one store to another, so that the run goes on there: every checkpoint verified, and a run only when all is there. */
import { join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { fileDigest } from './file-digest.ts';
import { CHECKPOINTS, MANIFEST } from './format.ts';
import { listCheckpoints, readManifest } from './load-checkpoint.ts';
import { readOwner, refuseLiving } from './owner.ts';
import { RUN, readRun } from './run-folder.ts';
import type { Store } from './store.ts';
import { withWorkingFolder } from './working-folder.ts';

export type CopiedRun = {
  readonly checkpoints: number;
  /** Keys of checkpoints that were left out. */
  readonly damaged: readonly string[];
};

/**
 * run.json comes last, and checkpoint.json last of each checkpoint: a copy that was interrupted is no run yet, and the same call completes it
 * (checkpoint files that are there with the right digest are not sent again). Damaged checkpoints are left out. `note` is told each object.
 * @throws {PgganError} CheckpointInvalid where there is no run or no good checkpoint, RunOwned while a process writes to either,
 * FingerprintMismatch where another run is at the destination, StoreUnavailable, StoreFull
 */
export async function copyRun(from: Store, to: Store, now: Date, note: (line: string) => void): Promise<CopiedRun> {
  await refuseForeign(from, to);
  for (const store of [from, to]) {
    const owner = await readOwner(store);
    if (owner) refuseLiving(store, owner.record, now);
  }
  return withWorkingFolder(async (scratch) => {
    const others = (await from.list('')).map(({ key }) => key).filter((key) => !key.startsWith(CHECKPOINTS) && key !== RUN);
    for (const key of others) await copyObject(from, to, key, join(scratch, 'object'), note);
    const damaged: string[] = [];
    let checkpoints = 0;
    for (const { key, committed } of (await listCheckpoints(from)).toReversed()) {
      if (!committed) continue;
      if (await copyCheckpoint(from, to, key, scratch, note)) checkpoints += 1;
      else damaged.push(key);
    }
    if (checkpoints === 0 && damaged.length > 0)
      throw new PgganError(
        'CheckpointInvalid',
        `all ${damaged.length} checkpoints in ${from.uri} are damaged: there is nothing that could go on elsewhere`,
      );
    await copyObject(from, to, RUN, join(scratch, 'object'), note);
    return { checkpoints, damaged };
  });
}

async function refuseForeign(from: Store, to: Store): Promise<void> {
  const run = await readRun(from);
  if (!run) throw new PgganError('CheckpointInvalid', `${from.uri} is no run folder: it has no ${RUN}`);
  const other = await readRun(to);
  if (!other || other.fingerprint === run.fingerprint) return;
  throw new PgganError('FingerprintMismatch', `${to.uri} holds another run already: name another folder, or remove that run first`);
}

/** False where a file of it is missing or damaged: then nothing is sent. */
async function copyCheckpoint(from: Store, to: Store, key: string, scratch: string, note: (line: string) => void): Promise<boolean> {
  const files = await fetchCheckpoint(from, key, scratch);
  if (!files) return false;
  for (const [name, sha256] of files) {
    if (await isThere(to, key + name, sha256, join(scratch, 'there'))) continue;
    note(key + name);
    await to.upload(key + name, join(scratch, name));
  }
  await copyObject(from, to, key + MANIFEST, join(scratch, 'object'), note);
  return true;
}

/** Fetches the files that the manifest names into `scratch`; their digests by name, or undefined where one is not what it says. */
async function fetchCheckpoint(from: Store, key: string, scratch: string): Promise<ReadonlyMap<string, string> | undefined> {
  const digests = new Map<string, string>();
  try {
    const { manifest } = await readManifest(from, key);
    for (const [name, { sha256 }] of Object.entries(manifest.files)) {
      const path = join(scratch, name);
      if (!(await from.download(key + name, path)) || (await fileDigest(path)).sha256 !== sha256) return undefined;
      digests.set(name, sha256);
    }
    return digests;
  } catch (error) {
    if (error instanceof PgganError && error.code === 'CheckpointInvalid') return undefined;
    throw error;
  }
}

async function isThere(to: Store, key: string, sha256: string, path: string): Promise<boolean> {
  return (await to.download(key, path)) !== undefined && (await fileDigest(path)).sha256 === sha256;
}

async function copyObject(from: Store, to: Store, key: string, path: string, note: (line: string) => void): Promise<void> {
  note(key);
  if (!(await from.download(key, path)))
    throw new PgganError('CheckpointInvalid', `${key} in ${from.uri} was there a moment ago and is gone`);
  await to.upload(key, path);
}
