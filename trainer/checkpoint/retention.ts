/** Removes checkpoints that are no longer wanted, and what killed uploads left behind; never what it did not list itself. */
import { PgganError } from '../../crds/errors.ts';
import type { Guard } from './checkpoint.ts';
import { type CommittedCheckpoint, FORMAT_VERSION, MANIFEST, MAX_DOCUMENT_BYTES } from './format.ts';
import { type CheckpointFolder, listCheckpoints, readManifest } from './load-checkpoint.ts';
import type { Store } from './store.ts';

export type RetentionOptions = {
  /** Newest checkpoints to keep besides those at the end of a phase. At least 1. */
  readonly keepLast: number;
  /** Also the `count` checkpoints with the lowest value of a metric, of those that were measured. */
  readonly keepBest?: { readonly metric: string; readonly count: number } | undefined;
};

/**
 * Deletes what is older than `newest`, the checkpoint just saved or loaded (so known to be good), except the last N, the phase ends and the
 * best; and, of the same age, folders without checkpoint.json, damaged checkpoints and files that their checkpoint.json does not name; and
 * log segments that no checkpoint names any more. Nothing newer is touched. `guard` is asked before each deletion. Never to be called
 * while a checkpoint is being saved.
 * @returns the keys that are gone
 * @throws {PgganError} of the store, of the guard (RunOwned)
 */
export async function applyRetention(
  store: Store,
  newest: CommittedCheckpoint,
  options: RetentionOptions,
  guard: Guard,
): Promise<readonly string[]> {
  const found = await Promise.all(
    (await listCheckpoints(store)).map(async (folder) => ({
      folder,
      checkpoint: folder.key === newest.key ? newest : await intact(store, folder),
    })),
  );
  const good = found.flatMap(({ checkpoint }) => (checkpoint && checkpoint !== 'foreign' ? [checkpoint] : []));
  const kept = new Set(wanted(good, newest, options));
  const removed: string[] = [];
  const remove = async (keys: readonly string[]): Promise<void> => {
    for (const key of keys) {
      await guard();
      await store.remove(key);
      removed.push(key);
    }
  };
  for (const { folder, checkpoint } of found) {
    if (checkpoint === 'foreign' || folder.images > newest.manifest.images) continue;
    await remove(checkpoint && kept.has(checkpoint) ? unnamed(folder, checkpoint) : manifestFirst(folder));
  }
  if (found.every(({ checkpoint }) => checkpoint !== 'foreign')) await remove(await unnamedSegments(store, [...kept]));
  return removed;
}

/** Newest first. */
function wanted(good: readonly CommittedCheckpoint[], newest: CommittedCheckpoint, { keepLast, keepBest }: RetentionOptions) {
  const { images } = newest.manifest;
  const within = good.filter(({ manifest }) => manifest.phaseEnd === null && manifest.images <= images);
  const measured = keepBest ? good.filter(({ manifest }) => Number.isFinite(manifest.metrics?.[keepBest.metric])) : [];
  const value = ({ manifest }: CommittedCheckpoint): number => manifest.metrics?.[keepBest?.metric ?? ''] ?? Number.POSITIVE_INFINITY;
  return [
    newest,
    ...good.filter(({ manifest }) => manifest.phaseEnd !== null || manifest.images > images),
    ...within.slice(0, keepLast),
    ...measured.sort((a, b) => value(a) - value(b)).slice(0, keepBest?.count ?? 0),
  ];
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
    const manifest: unknown = JSON.parse(String(await store.read(key + MANIFEST, MAX_DOCUMENT_BYTES)));
    return typeof manifest === 'object' && manifest !== null && 'version' in manifest && Number(manifest.version) > FORMAT_VERSION;
  } catch {
    return false;
  }
}

/** checkpoint.json goes first: what is half removed exists no more. */
function manifestFirst({ key, entries }: CheckpointFolder): readonly string[] {
  return entries.map((entry) => entry.key).sort((a, b) => Number(b === key + MANIFEST) - Number(a === key + MANIFEST));
}

/** Files of a writer that came late: of an upload that another process has finished, or that the checkpoint has replaced. */
function unnamed({ key, entries }: CheckpointFolder, { manifest }: CommittedCheckpoint): readonly string[] {
  const named = new Set([MANIFEST, ...Object.keys(manifest.files)].map((name) => key + name));
  return entries.map((entry) => entry.key).filter((entry) => !named.has(entry));
}

/** Log segments of branches that were killed and gone over again. */
async function unnamedSegments(store: Store, kept: readonly CommittedCheckpoint[]): Promise<readonly string[]> {
  const named = new Set(kept.flatMap(({ manifest }) => manifest.segments.map(({ key }) => key)));
  return (await store.list('logs/')).map(({ key }) => key).filter((key) => !named.has(key));
}
