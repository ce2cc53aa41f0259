/** Saves a checkpoint so that it exists wholly or not at all: every file first, then checkpoint.json, which names them with their digests. */
import { PgganError } from '../../crds/errors.ts';
import type { CheckpointRef } from '../../crds/progress.ts';
import {
  type CheckpointManifest,
  type CheckpointState,
  type CommittedCheckpoint,
  checkpointKey,
  checkpointState,
  describeCheckpoint,
  digestOf,
  FORMAT_VERSION,
  jsonBytes,
  type LogSegment,
  MANIFEST,
  STATE,
  TENSOR_FILES,
  type TensorFiles,
  tensorsDigest,
} from './format.ts';
import { serializeSafetensors } from './safetensors.ts';
import type { Store } from './store.ts';

export type CheckpointContent = {
  readonly images: number;
  readonly files: TensorFiles;
  readonly state: CheckpointState;
  /** Lines since the parent, by the name of their log, such as `log.txt`. */
  readonly logs: Readonly<Record<string, string>>;
  /** The checkpoint of this run that was saved or loaded before. */
  readonly parent?: CommittedCheckpoint | undefined;
  /** For the first checkpoint of a fork: where its weights came from. */
  readonly origin?: CheckpointRef | undefined;
  /** The resolution whose phase ends here. */
  readonly phaseEnd?: number | undefined;
  /** Measured on exactly these weights. */
  readonly metrics?: CheckpointManifest['metrics'];
  readonly time?: Date;
};

/** Throws when this process may no longer write to the run. */
export type Guard = () => Promise<void>;

/**
 * Writes `checkpoints/<images>/` and its log segments. `guard` is asked before the first write and before the one that makes the checkpoint
 * exist. After a failure nothing of it is left, as far as the store lets it be removed (and unless another process owns the run), and the same call may be made again.
 * Where the parent stands after the same images, nothing was trained since: only its logs and `phaseEnd` are brought up to date.
 * @throws {PgganError} of the store (StoreFull, StoreUnavailable), of the guard (RunOwned)
 */
export async function saveCheckpoint(store: Store, content: CheckpointContent, guard: Guard): Promise<CommittedCheckpoint> {
  const { images, state } = content;
  if (state.images !== images) throw new RangeError(`a checkpoint after ${images} images cannot hold a state after ${state.images}`);
  await guard();
  if (content.parent?.manifest.images === images) return amend(store, content.parent, content, guard);

  const key = checkpointKey(images);
  // A damaged checkpoint may stand here, left behind by what was resumed: it stops existing before its files change.
  await store.remove(`${key}${MANIFEST}`);
  const written: string[] = [];
  const write = async (name: string, parts: readonly Uint8Array[]) => {
    written.push(name);
    await writeWhole(store, name, parts);
    return digestOf(parts);
  };
  try {
    const files: Record<string, { readonly size: number; readonly sha256: string }> = {};
    for (const name of TENSOR_FILES) {
      const file = `${name}.safetensors`;
      files[file] = await write(key + file, serializeSafetensors(content.files[name].tensors));
    }
    files[STATE] = await write(key + STATE, [jsonBytes(checkpointState.parse(state))]);
    const segments = await writeSegments(content, write);
    const manifest: CheckpointManifest = {
      version: FORMAT_VERSION,
      images,
      phaseEnd: content.phaseEnd ?? null,
      parent: content.parent?.ref ?? content.origin ?? null,
      time: (content.time ?? new Date()).toISOString(),
      ...(content.metrics ? { metrics: content.metrics } : {}),
      weightsDigest: tensorsDigest(content.files),
      files,
      segments: [...(content.parent?.manifest.segments ?? []), ...segments],
    };
    return await commit(store, key, manifest, guard, 'new');
  } catch (error) {
    // Another writer may be at the same files by now; what is left is removed by its retention.
    const fenced = error instanceof PgganError && error.code === 'RunOwned';
    if (!fenced) for (const name of written) await store.remove(name).catch(() => undefined);
    throw error;
  }
}

async function amend(store: Store, parent: CommittedCheckpoint, content: CheckpointContent, guard: Guard): Promise<CommittedCheckpoint> {
  const phaseEnd = content.phaseEnd ?? parent.manifest.phaseEnd;
  const segments = await writeSegments(content, async (name, parts) => {
    await writeWhole(store, name, parts);
    return digestOf(parts);
  });
  if (segments.length === 0 && phaseEnd === parent.manifest.phaseEnd) return parent;
  const manifest = { ...parent.manifest, phaseEnd, segments: [...parent.manifest.segments, ...segments] };
  return commit(store, parent.key, manifest, guard, 'amended');
}

async function commit(store: Store, key: string, manifest: CheckpointManifest, guard: Guard, kind: 'new' | 'amended') {
  const bytes = jsonBytes(manifest);
  await guard();
  const entry = await store.write(key + MANIFEST, [bytes], kind === 'new' ? { kind: 'absent' } : undefined);
  if (!entry) throw new PgganError('RunOwned', `${key}${MANIFEST} in ${store.uri} was written by another process: this one stops`);
  return { key, manifest, ref: describeCheckpoint(store.uri, manifest, bytes) };
}

/**
 * One object per log that has new lines. Its name carries the writing process and its place in the chain, so that no process ever
 * overwrites a segment that a checkpoint names.
 */
async function writeSegments(
  { logs, parent, state }: CheckpointContent,
  write: (name: string, parts: readonly Uint8Array[]) => Promise<{ readonly size: number; readonly sha256: string }>,
): Promise<readonly LogSegment[]> {
  const place = String(parent?.manifest.segments.length ?? 0).padStart(6, '0');
  const segments: LogSegment[] = [];
  for (const [log, lines] of Object.entries(logs)) {
    if (lines === '') continue;
    const key = `logs/${place}-${String(state.attempt).padStart(4, '0')}.${log}`;
    segments.push({ log, key, ...(await write(key, [Buffer.from(lines)])) });
  }
  return segments;
}

async function writeWhole(store: Store, key: string, parts: readonly Uint8Array[]): Promise<void> {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const entry = await store.write(key, parts);
  if (entry?.size !== size) {
    throw new PgganError('StoreUnavailable', `${key} in ${store.uri} has ${entry?.size ?? 'no'} bytes after ${size} were written`);
  }
}
