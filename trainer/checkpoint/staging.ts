/** The checkpoint of a stopped process in a folder of its own machine, so that a store that is slow or away cannot lose it. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { type CheckpointContent, type Guard, saveCheckpoint } from './checkpoint.ts';
import { fileStore } from './file-store.ts';
import { type CommittedCheckpoint, FINAL_NETWORK, fileName, nameOf } from './format.ts';
import { findNewestCheckpoint, type LoadedCheckpoint, loadNewestCheckpoint } from './load-checkpoint.ts';
import { parseSafetensors } from './safetensors.ts';
import type { Store } from './store.ts';

/**
 * Names a folder that outlives the process and that the next one finds. (A pod's emptyDir is none: the next pod has another.) Without it
 * nothing is staged, and the last checkpoint is given all the time that the process has.
 */
const VARIABLE = 'PGGAN_SCRATCH';

/** Where checkpoints of this run wait for their store; undefined where this machine has no such place. Other runs have other folders. */
export function stagingFolder(runUri: string, fingerprint: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const scratch = environment[VARIABLE];
  if (!scratch) return undefined;
  const name = createHash('sha256')
    .update(JSON.stringify([runUri, fingerprint]))
    .digest('hex')
    .slice(0, 32);
  return join(scratch, 'staged', name);
}

/** Keeps a checkpoint in the folder, in the place of any other. @throws {PgganError} StoreFull, StoreUnavailable of that folder */
export async function stage(folder: string, content: CheckpointContent): Promise<void> {
  await clearStaged(folder);
  await saveCheckpoint(fileStore(folder), content, async () => undefined);
}

export async function clearStaged(folder: string): Promise<void> {
  const staging = fileStore(folder);
  const keys = (await staging.list('')).map(({ key }) => key);
  // checkpoint.json first: what is half removed is no checkpoint.
  for (const key of keys.sort((a, b) => Number(b.endsWith('.json')) - Number(a.endsWith('.json')))) await staging.remove(key);
}

/**
 * Saves what an earlier process of this run has left in the folder, and clears it. It goes into the store only where the store's newest
 * checkpoint is the one that it was trained on from, or a later one of the same process: otherwise another process has gone on from there,
 * and this branch is superseded.
 * @returns what became of it, in words; undefined where there was nothing
 * @throws {PgganError} of the store; then it is still there
 */
export async function uploadStaged(folder: string, store: Store, guard: Guard): Promise<string | undefined> {
  const staged = await readStaged(folder);
  if (staged === undefined) return undefined;
  if (typeof staged === 'string') {
    await clearStaged(folder);
    return `a checkpoint that waited in ${folder} is damaged and was dropped: ${staged}`;
  }
  const { checkpoint } = staged;
  const newest = (await findNewestCheckpoint(store))?.checkpoint;
  const text = `the checkpoint after ${checkpoint.manifest.images} images, which waited in ${folder},`;
  if (!continues(checkpoint, newest, store)) {
    await clearStaged(folder);
    return `${text} was dropped: the run has gone on without it`;
  }
  const content = contentOf(staged);
  // After the images of the newest one it says more of that: the end of a phase, and further lines.
  await saveCheckpoint(store, newest?.manifest.images === content.images ? { ...content, parent: newest } : content, guard);
  await clearStaged(folder);
  return `${text} was saved first`;
}

type Staged = {
  readonly checkpoint: LoadedCheckpoint;
  readonly logs: Readonly<Record<string, string>>;
  readonly finalNetwork: CheckpointContent['finalNetwork'];
};

async function readStaged(folder: string): Promise<Staged | string | undefined> {
  const staging = fileStore(folder);
  try {
    const found = await loadNewestCheckpoint(staging);
    if (!found) return undefined;
    const logs: Record<string, string> = {};
    for (const { log, key } of found.checkpoint.manifest.segments) {
      const lines = await staging.read(key);
      // The segments before its own are in the store.
      if (lines) logs[log] = lines.toString();
    }
    const network = await staging.read(FINAL_NETWORK);
    return { checkpoint: found.checkpoint, logs, finalNetwork: network && parseSafetensors(network, FINAL_NETWORK).metadata };
  } catch (error) {
    if (error instanceof PgganError && error.code === 'CheckpointInvalid') return error.message;
    throw error;
  }
}

function continues({ manifest, state }: LoadedCheckpoint, newest: CommittedCheckpoint | undefined, store: Store): boolean {
  // A run without checkpoints: its first one has no parent in it, but that of a fork has one elsewhere.
  if (!newest) return !manifest.parent?.uri.startsWith(`${store.uri}/`);
  if (newest.manifest.images > manifest.images) return false;
  if (newest.manifest.images === manifest.images) return manifest.parent?.digest === newest.ref.digest;
  return manifest.parent?.digest === newest.ref.digest || nameOf(newest.manifest, 'state') === fileName('state', state.attempt);
}

function contentOf({ checkpoint: { key, manifest, files, state }, logs, finalNetwork }: Staged): CheckpointContent {
  const { images, parent, phaseEnd, metrics, time } = manifest;
  const segments = manifest.segments.slice(0, manifest.segments.length - Object.keys(logs).length);
  return {
    images,
    files,
    state,
    logs,
    // All that a save asks of it.
    parent: parent === null ? undefined : { key, ref: parent, manifest: { ...manifest, images: parent.images, segments } },
    phaseEnd: phaseEnd ?? undefined,
    finalNetwork,
    metrics,
    time: new Date(time),
  };
}
