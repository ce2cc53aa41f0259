/** What a checkpoint consists of: its files, the state of the loop, and the manifest (checkpoint.json) whose presence makes it exist. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import type { CheckpointRef } from '../../crds/progress.ts';
import { compareNames, type TensorTable } from './safetensors.ts';

export const FORMAT_VERSION = 1;
export const CHECKPOINTS = 'checkpoints/';
export const MANIFEST = 'checkpoint.json';
/** The network that a run was for: its averaged generator at the end. A run that has its last checkpoint has this file too. */
export const FINAL_NETWORK = 'snapshots/network-final.safetensors';

/** The tensor files of a checkpoint. The Adam files hold first and second moments under the variables' names. */
export const TENSOR_FILES = ['generator', 'discriminator', 'generator-ema', 'adam-generator', 'adam-discriminator'] as const;
export type TensorFileName = (typeof TENSOR_FILES)[number];
export type TensorFiles = Readonly<Record<TensorFileName, { readonly tensors: TensorTable }>>;

/** The largest document of JSON that is read: a checkpoint.json names every piece of the logs before it, some hundred bytes each. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const shortText = z.string().max(256);

/** Everything of the training loop that is no tensor, so that it goes on after any D+G pair with the same bits. */
export const checkpointState = z.strictObject({
  /** Real images shown, now and at the start of the running outer iteration, whose schedule still holds. */
  images: count,
  imagesAtIterationStart: count,
  /** D+G pairs done in this outer iteration; 0 between iterations. */
  repeatIndex: count,
  /** Level of detail of the outer iteration before, which decides whether Adam is reset; null before the first. */
  previousLod: z.number().nullable(),
  /** Adam steps since its last reset, for the bias correction. */
  adamStep: z.strictObject({ generator: count, discriminator: count }),
  tick: count,
  imagesAtTickStart: count,
  /** Of each scalar reported per tick: sum and number of its finite samples so far. */
  tickSums: z.record(shortText, z.strictObject({ sum: z.number(), count })),
  /** Wall clock spent training, in all processes; now and at the start of the tick. */
  secondsTrained: z.number().nonnegative(),
  secondsAtTickStart: z.number().nonnegative(),
  /** When the next of each kind of output is due (pictures, checkpoints), in images or ticks as its name says. */
  nextSnapshots: z.record(shortText, z.number()),
  /** The process that saved this, counted over the run. */
  attempt: count,
  /** What the bits depend on besides options and seed: backend, its version, device, threads, instruction set. */
  environment: z.record(shortText, z.union([z.string(), z.number(), z.boolean(), z.null()])),
});
export type CheckpointState = Readonly<z.infer<typeof checkpointState>>;

const file = z.strictObject({ size: count, sha256 });
export type FileDigest = Readonly<z.infer<typeof file>>;
export const checkpointRef = z.strictObject({ uri: z.string().max(1024), images: count, digest: sha256, time: z.iso.datetime() });

/** A piece of a log: the lines between two checkpoints. */
const segment = z.strictObject({ log: shortText, key: z.string().max(1024), size: count, sha256 });
export type LogSegment = Readonly<z.infer<typeof segment>>;

export const checkpointManifest = z.strictObject({
  version: z.literal(FORMAT_VERSION),
  images: count,
  /** The resolution whose phase ends here; null within a phase. Such checkpoints are kept. */
  phaseEnd: count.nullable(),
  /** The checkpoint that training went on from: of this run, or of the run it was forked from. */
  parent: checkpointRef.nullable(),
  time: z.iso.datetime(),
  /** Metrics of the averaged generator as it is here, by the names of their columns; absent where it was not measured. */
  metrics: z.record(shortText, z.number()).optional(),
  /** SHA-256 over all tensors (see `digestOfWeights`): equal for equal weights and moments, whenever and however they were reached. */
  weightsDigest: sha256,
  /** By name in the folder (see `fileName`). */
  files: z.record(shortText, file),
  /** All segments of the logs up to here, in order; a checkpoint of a killed branch is named by no later one. */
  segments: z.array(segment).readonly(),
});
export type CheckpointManifest = Readonly<z.infer<typeof checkpointManifest>>;

/** A checkpoint that exists. `key` is its folder, with a slash at the end. */
export type CommittedCheckpoint = { readonly key: string; readonly manifest: CheckpointManifest; readonly ref: CheckpointRef };

/** The folder of the checkpoint after `images` real images. */
export function checkpointKey(images: number): string {
  return `${CHECKPOINTS}${String(images).padStart(12, '0')}/`;
}

/**
 * The name of a file of a checkpoint that the process number `attempt` writes: no other process ever writes a file of this name, so that
 * whoever comes late can neither overwrite nor remove what a newer writer's checkpoint.json names.
 */
export function fileName(part: TensorFileName | 'state', attempt: number): string {
  return `${part}-${String(attempt).padStart(4, '0')}.${part === 'state' ? 'json' : 'safetensors'}`;
}

/** The name under which a manifest has a part, whichever process wrote it; older checkpoints name no process. */
export function nameOf({ files }: CheckpointManifest, part: TensorFileName | 'state'): string | undefined {
  const pattern = new RegExp(`^${part}(-\\d+)?\\.(json|safetensors)$`);
  return Object.keys(files).find((name) => pattern.test(name));
}

/** SHA-256 over the digests of the tensor files. Equal tensors give equal files, so it depends on names, types, shapes and values alone. */
export function digestOfWeights(files: Readonly<Record<TensorFileName, FileDigest>>): string {
  const hash = createHash('sha256');
  for (const name of [...TENSOR_FILES].sort(compareNames)) hash.update(`${name} ${files[name].sha256}\n`);
  return hash.digest('hex');
}

/** Size and digest of bytes that are written in parts. */
export function digestOf(parts: readonly Uint8Array[]): FileDigest {
  const hash = createHash('sha256');
  let size = 0;
  for (const part of parts) {
    hash.update(part);
    size += part.byteLength;
  }
  return { size, sha256: hash.digest('hex') };
}

/** How a checkpoint is named to the outside; its digest is that of the manifest's bytes, which hold all others. */
export function describeCheckpoint(storeUri: string, manifest: CheckpointManifest, manifestBytes: Uint8Array): CheckpointRef {
  const { images, time } = manifest;
  return { uri: `${storeUri}/${checkpointKey(images).slice(0, -1)}`, images, digest: digestOf([manifestBytes]).sha256, time };
}

/** Size of all files of a checkpoint, without the manifest itself. */
export function bytesOf({ files }: CheckpointManifest): number {
  return Object.values(files).reduce((sum, { size }) => sum + size, 0);
}

/** A JSON file as its schema has it. @throws {PgganError} CheckpointInvalid, naming the file and every field that is wrong */
export function parseJson<T>(schema: z.ZodType<T>, bytes: Uint8Array, name: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new PgganError('CheckpointInvalid', `${name} is not JSON (torn or damaged)`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 8).map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
  throw new PgganError('CheckpointInvalid', `${name} is not what it should be: ${problems.join('; ')}`, { cause: parsed.error });
}

/** A value as the bytes of a JSON file that people can read. */
export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
