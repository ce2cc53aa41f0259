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
  digestOfWeights,
  FINAL_NETWORK,
  type FileDigest,
  FORMAT_VERSION,
  fileName,
  jsonBytes,
  type LogSegment,
  MANIFEST,
  nameOf,
  TENSOR_FILES,
  type TensorFileName,
  type TensorFiles,
} from './format.ts';
import { readManifest } from './load-checkpoint.ts';
import { serializeSafetensors } from './safetensors.ts';
import type { Condition, Store } from './store.ts';

export type CheckpointContent = {
  readonly images: number;
  readonly files: TensorFiles;
  /** Its `attempt` is the number of the process that trained this, and part of the files' names. */
  readonly state: CheckpointState;
  /** Lines since the parent, by the name of their log, such as `log.txt`. */
  readonly logs: Readonly<Record<string, string>>;
  /** The checkpoint of this run that was saved or loaded before. */
  readonly parent?: CommittedCheckpoint | undefined;
  /** For the first checkpoint of a fork: where its weights came from. */
  readonly origin?: CheckpointRef | undefined;
  /** The resolution whose phase ends here. */
  readonly phaseEnd?: number | undefined;
  /** For the last checkpoint of a run: what the file of its generator, FINAL_NETWORK, says of itself. That file is there before the commit. */
  readonly finalNetwork?: Readonly<Record<string, string>> | undefined;
  /** Measured on exactly these weights. */
  readonly metrics?: CheckpointManifest['metrics'];
  readonly time: Date;
};

/** Throws when this process may no longer write to the run. */
export type Guard = () => Promise<void>;

/**
 * Writes `checkpoints/<images>/` and its log segments. After a failure nothing of it is left, as far as the store lets it be removed, and the
 * same call may be made again; a process saves one content only after the same images. Where the parent stands after the same images in this
 * store, nothing was trained since: only its logs and `phaseEnd` are brought up to date.
 *
 * Writers that have lost the run harm nobody, even one that was frozen between any two of these lines and goes on an hour later: its files
 * have names of its own, and checkpoint.json is replaced only if it still is what it was before `guard` last said that the run is ours.
 * @throws {PgganError} of the store (StoreFull, StoreUnavailable), of the guard (RunOwned)
 */
export async function saveCheckpoint(store: Store, content: CheckpointContent, guard: Guard): Promise<CommittedCheckpoint> {
  const { images, state, parent } = content;
  if (state.images !== images) throw new RangeError(`a checkpoint after ${images} images cannot hold a state after ${state.images}`);
  await guard();
  if (parent?.manifest.images === images && parent.ref.uri.startsWith(`${store.uri}/`)) return amend(store, parent, content, guard);

  const key = checkpointKey(images);
  // A damaged checkpoint may stand here, left behind by what was resumed.
  const before = await store.head(key + MANIFEST);
  const own = before && (await savedBy(store, key, state.attempt));
  if (own) return own;
  const written: string[] = [];
  const write = async (name: string, parts: readonly Uint8Array[]): Promise<FileDigest> => {
    written.push(name);
    const writing = writeWhole(store, name, parts);
    const digest = digestOf(parts);
    await writing;
    return digest;
  };
  let manifest: CheckpointManifest;
  try {
    manifest = await writeFiles(content, write);
    await guard();
  } catch (error) {
    // At once: a store that is away takes its time over each of them.
    await Promise.allSettled(written.map((name) => store.remove(name)));
    throw error;
  }
  return commit(store, key, manifest, before ? { kind: 'version', version: before.version } : { kind: 'absent' });
}

/** The checkpoint in this folder if the process itself has saved it: the answer to its last write was lost on the way. */
async function savedBy(store: Store, key: string, attempt: number): Promise<CommittedCheckpoint | undefined> {
  try {
    const found = await readManifest(store, key);
    return nameOf(found.manifest, 'state') === fileName('state', attempt) ? found : undefined;
  } catch (error) {
    if (error instanceof PgganError && error.code === 'CheckpointInvalid') return undefined;
    throw error;
  }
}

/** All at once: most of the time of a small file is the store's answer. Returns, or throws, when the last of them has ended. */
async function writeFiles(content: CheckpointContent, write: WriteFile): Promise<CheckpointManifest> {
  const { state } = content;
  const key = checkpointKey(content.images);
  const tensors = TENSOR_FILES.map(async (name) => {
    const parts = serializeSafetensors(content.files[name].tensors);
    return [name, await write(key + fileName(name, state.attempt), parts)] as const;
  });
  const all = [
    Promise.all(tensors),
    write(key + fileName('state', state.attempt), [jsonBytes(checkpointState.parse(state))]),
    writeSegments(content, write),
    writeFinalNetwork(content, write),
  ] as const;
  await Promise.allSettled([...tensors, ...all]);
  const [digests, stateDigest, segments] = await Promise.all(all);
  return manifestOf(content, Object.fromEntries(digests) as Record<TensorFileName, FileDigest>, stateDigest, segments);
}

type WriteFile = (name: string, parts: readonly Uint8Array[]) => Promise<FileDigest>;

async function writeFinalNetwork({ files, finalNetwork }: CheckpointContent, write: WriteFile): Promise<void> {
  if (finalNetwork) await write(FINAL_NETWORK, serializeSafetensors(files['generator-ema'].tensors, finalNetwork));
}

function manifestOf(
  content: CheckpointContent,
  tensors: Readonly<Record<TensorFileName, FileDigest>>,
  state: FileDigest,
  segments: readonly LogSegment[],
): CheckpointManifest {
  const { attempt } = content.state;
  return {
    version: FORMAT_VERSION,
    images: content.images,
    phaseEnd: content.phaseEnd ?? null,
    parent: content.parent?.ref ?? content.origin ?? null,
    time: content.time.toISOString(),
    weightsDigest: digestOfWeights(tensors),
    files: {
      ...Object.fromEntries(TENSOR_FILES.map((name) => [fileName(name, attempt), tensors[name]])),
      [fileName('state', attempt)]: state,
    },
    ...(content.metrics && { metrics: content.metrics }),
    segments: [...(content.parent?.manifest.segments ?? []), ...segments],
  };
}

async function amend(store: Store, parent: CommittedCheckpoint, content: CheckpointContent, guard: Guard): Promise<CommittedCheckpoint> {
  const phaseEnd = content.phaseEnd ?? parent.manifest.phaseEnd;
  const write: WriteFile = async (name, parts) => {
    await writeWhole(store, name, parts);
    return digestOf(parts);
  };
  await writeFinalNetwork(content, write);
  if (phaseEnd === parent.manifest.phaseEnd && Object.values(content.logs).every((lines) => lines === '')) return parent;
  const before = await store.head(parent.key + MANIFEST);
  const segments = await writeSegments(content, write);
  const manifest = { ...parent.manifest, phaseEnd, segments: [...parent.manifest.segments, ...segments] };
  await guard();
  return commit(store, parent.key, manifest, before ? { kind: 'version', version: before.version } : { kind: 'absent' });
}

/** From here on nothing is removed: where the store gives no answer, the checkpoint may exist. */
async function commit(store: Store, key: string, manifest: CheckpointManifest, condition: Condition): Promise<CommittedCheckpoint> {
  const bytes = jsonBytes(manifest);
  const written = await store.write(key + MANIFEST, [bytes], condition);
  // A store that was asked again, because its first answer was lost, refuses what it has done already.
  if (!written && !(await store.read(key + MANIFEST))?.equals(bytes)) {
    throw new PgganError('RunOwned', `${key}${MANIFEST} in ${store.uri} was written by another process: this one stops`);
  }
  return { key, manifest, ref: describeCheckpoint(store.uri, manifest, bytes) };
}

/**
 * One object per log that has new lines. Its name carries its place in the chain, the writing process and the images shown, so that no save
 * ever overwrites a segment that a checkpoint names.
 */
async function writeSegments({ logs, parent, state }: CheckpointContent, write: WriteFile): Promise<readonly LogSegment[]> {
  const place = String(parent?.manifest.segments.length ?? 0).padStart(6, '0');
  const segments: LogSegment[] = [];
  for (const [log, lines] of Object.entries(logs)) {
    if (lines === '') continue;
    const key = `logs/${place}-${String(state.attempt).padStart(4, '0')}-${String(state.images).padStart(12, '0')}.${log}`;
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
