/** Finds and reads checkpoints: only what its checkpoint.json vouches for, digest by digest; what is damaged is skipped and said. */
import { asError, PgganError } from '../../crds/errors.ts';
import {
  CHECKPOINTS,
  type CheckpointState,
  type CommittedCheckpoint,
  checkpointManifest,
  checkpointState,
  describeCheckpoint,
  digestOf,
  MANIFEST,
  MAX_DOCUMENT_BYTES,
  nameOf,
  parseJson,
  TENSOR_FILES,
  type TensorFileName,
} from './format.ts';
import { parseSafetensors, type TensorFile } from './safetensors.ts';
import type { Store, StoreEntry } from './store.ts';

export type LoadedCheckpoint<Name extends TensorFileName = TensorFileName> = CommittedCheckpoint & {
  readonly state: CheckpointState;
  readonly files: Readonly<Record<Name, TensorFile>>;
};

/** A checkpoint that exists but cannot be used, and why. */
export type SkippedCheckpoint = { readonly key: string; readonly reason: string };

export type LoadOptions<Name extends TensorFileName> = {
  /** The tensor files wanted (all by default); the others are neither read nor verified. */
  readonly files?: readonly Name[];
};

/**
 * The newest checkpoint that is whole, and the newer ones that are not; undefined where none was ever completed. Folders without
 * checkpoint.json are unfinished uploads and not mentioned.
 * @throws {PgganError} CheckpointInvalid where there are checkpoints and every one is damaged: a run must not begin anew in silence
 */
export async function loadNewestCheckpoint<Name extends TensorFileName = TensorFileName>(
  store: Store,
  options: LoadOptions<Name> = {},
): Promise<{ readonly checkpoint: LoadedCheckpoint<Name>; readonly skipped: readonly SkippedCheckpoint[] } | undefined> {
  return newestOf(store, (key) => loadCheckpoint(store, key, options));
}

/** As loadNewestCheckpoint, but reads no tensor: the checkpoint's files are there in their sizes, their digests are not verified. */
export async function findNewestCheckpoint(
  store: Store,
): Promise<{ readonly checkpoint: CommittedCheckpoint; readonly skipped: readonly SkippedCheckpoint[] } | undefined> {
  return newestOf(store, async (key, entries) => {
    const checkpoint = await readManifest(store, key);
    for (const [name, { size }] of Object.entries(checkpoint.manifest.files)) {
      const found = entries.find((entry) => entry.key === key + name)?.size;
      if (found !== size) throw new PgganError('CheckpointInvalid', `${name} has ${found ?? 'no'} bytes instead of ${size}`);
    }
    return checkpoint;
  });
}

/** Reads one checkpoint by the key of its folder. @throws {PgganError} CheckpointInvalid, naming the file that is not what it was */
export async function loadCheckpoint<Name extends TensorFileName = TensorFileName>(
  store: Store,
  key: string,
  options: LoadOptions<Name> = {},
): Promise<LoadedCheckpoint<Name>> {
  const committed = await readManifest(store, key);
  const state = await readState(store, committed);
  const files: Partial<Record<TensorFileName, TensorFile>> = {};
  for (const name of options.files ?? TENSOR_FILES) {
    const { key: file, bytes } = await readVerified(store, committed, name);
    files[name] = parseSafetensors(bytes, file);
  }
  return { ...committed, state, files: files as Readonly<Record<Name, TensorFile>> };
}

async function readState(store: Store, committed: CommittedCheckpoint): Promise<CheckpointState> {
  const { key, bytes } = await readVerified(store, committed, 'state');
  const state = parseJson(checkpointState, bytes, key);
  if (state.images === committed.manifest.images) return state;
  throw new PgganError('CheckpointInvalid', `${key} stands after ${state.images} images, ${MANIFEST} after ${committed.manifest.images}`);
}

/** What lies below checkpoints/: one entry per folder, newest first, whether it is complete or not. */
export async function listCheckpoints(store: Store): Promise<readonly CheckpointFolder[]> {
  const folders = new Map<string, StoreEntry[]>();
  for (const entry of await store.list(CHECKPOINTS)) {
    const key = /^checkpoints\/\d{12}\//.exec(entry.key)?.[0];
    if (key) folders.set(key, [...(folders.get(key) ?? []), entry]);
  }
  return [...folders]
    .map(([key, entries]) => ({
      key,
      images: Number(key.slice(CHECKPOINTS.length, -1)),
      entries,
      committed: entries.some((entry) => entry.key === key + MANIFEST),
    }))
    .sort((a, b) => b.images - a.images);
}

export type CheckpointFolder = {
  readonly key: string;
  readonly images: number;
  readonly entries: readonly StoreEntry[];
  readonly committed: boolean;
};

/** The manifest of a checkpoint. @throws {PgganError} CheckpointInvalid */
export async function readManifest(store: Store, key: string): Promise<CommittedCheckpoint> {
  const bytes = await store.read(key + MANIFEST, MAX_DOCUMENT_BYTES);
  if (!bytes) throw new PgganError('CheckpointInvalid', `${key}${MANIFEST} is not there: no checkpoint, or an unfinished one`);
  const manifest = parseJson(checkpointManifest, bytes, key + MANIFEST);
  const ref = describeCheckpoint(store.uri, manifest, bytes);
  if (!ref.uri.endsWith(`/${key.slice(0, -1)}`))
    throw new PgganError('CheckpointInvalid', `${key}${MANIFEST} belongs to images ${manifest.images}`);
  return { key, manifest, ref };
}

async function newestOf<T>(store: Store, load: (key: string, entries: readonly StoreEntry[]) => Promise<T>) {
  const skipped: SkippedCheckpoint[] = [];
  for (const { key, entries, committed } of await listCheckpoints(store)) {
    if (!committed) continue;
    try {
      return { checkpoint: await load(key, entries), skipped };
    } catch (error) {
      if (!(error instanceof PgganError && error.code === 'CheckpointInvalid')) throw error;
      skipped.push({ key, reason: asError(error).message });
    }
  }
  if (skipped.length === 0) return undefined;
  const reasons = skipped.slice(0, 4).map(({ reason }) => reason);
  throw new PgganError(
    'CheckpointInvalid',
    `all ${skipped.length} checkpoints in ${store.uri} are damaged (${reasons.join('; ')}): restore one, or remove checkpoints/ to begin anew`,
  );
}

async function readVerified(store: Store, { key: folder, manifest }: CommittedCheckpoint, part: TensorFileName | 'state') {
  const name = nameOf(manifest, part);
  const want = name === undefined ? undefined : manifest.files[name];
  if (!want) throw new PgganError('CheckpointInvalid', `${folder}${MANIFEST} names no file of the part ${part}`);
  const key = `${folder}${name}`;
  const bytes = await store.read(key, want.size);
  if (!bytes) throw new PgganError('CheckpointInvalid', `${key} is missing`);
  if (bytes.byteLength !== want.size) {
    throw new PgganError('CheckpointInvalid', `${key} has ${bytes.byteLength} bytes, ${MANIFEST} says ${want.size}`);
  }
  const got = digestOf([bytes]).sha256;
  if (got !== want.sha256)
    throw new PgganError('CheckpointInvalid', `${key} has SHA-256 ${got.slice(0, 12)}..., ${MANIFEST} says ${want.sha256.slice(0, 12)}...`);
  return { key, bytes };
}
