/** Removes checkpoints that are no longer wanted, and what killed uploads left behind; never what it did not list itself. */
import { PgganError } from '../../crds/errors.ts';
import type { Guard } from './checkpoint.ts';
import { type CommittedCheckpoint, MANIFEST } from './format.ts';
import { type CheckpointFolder, listCheckpoints, readManifest } from './load-checkpoint.ts';
import type { Store } from './store.ts';

export type RetentionOptions = {
  /** Newest checkpoints to keep, besides those at the end of a phase. At least 1. */
  readonly keepLast: number;
  /** Further ones to keep, such as the best by a metric. */
  readonly keep?: (checkpoint: CommittedCheckpoint) => boolean;
};

/**
 * Deletes what is older than `newest`, the checkpoint just saved or loaded (so known to be good), except the last N, the phase ends and
 * what `keep` asks for; and, of the same age, folders without checkpoint.json and damaged checkpoints; and log segments that no checkpoint
 * names any more. Nothing newer is touched. `guard` is asked before each deletion. Never to be called while a checkpoint is being saved.
 * @returns the keys that are gone
 * @throws {PgganError} of the store, of the guard (RunOwned)
 */
export async function applyRetention(
  store: Store,
  newest: CommittedCheckpoint,
  options: RetentionOptions,
  guard: Guard,
): Promise<readonly string[]> {
  const removed: string[] = [];
  const kept: CommittedCheckpoint[] = [newest];
  let older = 0;
  let foreign = false;
  for (const folder of await listCheckpoints(store)) {
    if (folder.key === newest.key) continue;
    const checkpoint = await intact(store, folder);
    if (checkpoint === 'foreign') {
      foreign = true;
    } else if (folder.images > newest.manifest.images) {
      if (checkpoint) kept.push(checkpoint);
    } else if (checkpoint && (++older < options.keepLast || checkpoint.manifest.phaseEnd !== null || options.keep?.(checkpoint))) {
      kept.push(checkpoint);
    } else {
      await guard();
      removed.push(...(await removeFolder(store, folder)));
    }
  }
  if (!foreign) removed.push(...(await removeSegments(store, kept, guard)));
  return removed;
}

/** The folder's checkpoint if its files are there in their sizes; 'foreign' where a newer version of this software wrote it. */
async function intact(store: Store, { key, entries, committed }: CheckpointFolder): Promise<CommittedCheckpoint | 'foreign' | undefined> {
  if (!committed) return undefined;
  try {
    const checkpoint = await readManifest(store, key);
    const sizes = new Map(entries.map((entry) => [entry.key, entry.size]));
    const whole = Object.entries(checkpoint.manifest.files).every(([name, { size }]) => sizes.get(key + name) === size);
    return whole ? checkpoint : undefined;
  } catch (error) {
    if (!(error instanceof PgganError && error.code === 'CheckpointInvalid')) throw error;
    return (await isNewerVersion(store, key)) ? 'foreign' : undefined;
  }
}

async function isNewerVersion(store: Store, key: string): Promise<boolean> {
  try {
    const manifest: unknown = JSON.parse(String(await store.read(key + MANIFEST)));
    return typeof manifest === 'object' && manifest !== null && 'version' in manifest && Number(manifest.version) > 1;
  } catch {
    return false;
  }
}

/** checkpoint.json goes first: what is half removed exists no more. */
async function removeFolder(store: Store, { key, entries }: CheckpointFolder): Promise<readonly string[]> {
  const manifestFirst = [...entries].sort((a, b) => Number(b.key === key + MANIFEST) - Number(a.key === key + MANIFEST));
  for (const entry of manifestFirst) await store.remove(entry.key);
  return manifestFirst.map((entry) => entry.key);
}

/** Log segments of branches that were killed and gone over again. */
async function removeSegments(store: Store, kept: readonly CommittedCheckpoint[], guard: Guard): Promise<readonly string[]> {
  const named = new Set(kept.flatMap(({ manifest }) => manifest.segments.map(({ key }) => key)));
  const removed: string[] = [];
  for (const { key } of await store.list('logs/')) {
    if (named.has(key)) continue;
    await guard();
    await store.remove(key);
    removed.push(key);
  }
  return removed;
}
