/** Makes a checkpoint of a snapshot of the TensorFlow original, in a folder that runs start from, exports and evaluations read. */
import { PgganError } from '../../../crds/errors.ts';
import { saveCheckpoint } from '../checkpoint.ts';
import { type CheckpointState, checkpointKey, type CommittedCheckpoint, MANIFEST, type TensorFiles } from '../format.ts';
import { importClaim } from '../imported.ts';
import { readManifest } from '../load-checkpoint.ts';
import { claimRun, type RunClaim } from '../run-folder.ts';
import { storedFloats, type TensorTable } from '../safetensors.ts';
import type { Store } from '../store.ts';
import type { Tensor } from './numpy.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';

export type ImportSource = {
  /** The file's name and address. */
  readonly name: string;
  readonly uri: string;
  readonly bytes: Uint8Array;
  readonly modified: Date;
  /** Thousands of real images shown; what the file's name says by default. */
  readonly kimg?: number | undefined;
};

export type Imported = { readonly kind: 'new' | 'known'; readonly snapshot: Snapshot; readonly checkpoint: CommittedCheckpoint };

/**
 * The checkpoint's parent is the file: its address and SHA-256. The original does not save its optimizer, so the checkpoint has none either
 * and runs start from it (initFrom) with a fresh one.
 * @throws {PgganError} SnapshotInvalid, OptionsInvalid where nobody says after how many images, FingerprintMismatch where the folder holds
 * another network, a run, or another snapshot after as many images
 */
export async function importSnapshot(store: Store, source: ImportSource, software: RunClaim['software'], now: Date): Promise<Imported> {
  const snapshot = readSnapshot(source.bytes, source.name);
  const images = imagesOf(source);
  await claimRun(store, importClaim(snapshot.shape, software), now);
  const key = checkpointKey(images);
  if (await store.head(key + MANIFEST)) {
    const checkpoint = await readManifest(store, key);
    const { parent } = checkpoint.manifest;
    if (parent?.digest === snapshot.sha256) return { kind: 'known', snapshot, checkpoint };
    throw new PgganError(
      'FingerprintMismatch',
      `${store.uri} holds another snapshot after ${images / 1000} kimg, ${parent?.uri ?? 'of unknown origin'}: import into another folder`,
    );
  }
  const content = {
    images,
    files: filesOf(snapshot),
    state: stateOf(images, snapshot, source),
    logs: {},
    origin: { uri: source.uri, images, digest: snapshot.sha256, time: source.modified.toISOString() },
    time: now,
  };
  // Nobody trains in such a folder, so there is no other writer to look out for.
  const checkpoint = await saveCheckpoint(store, content, () => Promise.resolve());
  return { kind: 'new', snapshot, checkpoint };
}

/** As far as a run can go on from it (spec.initFrom.startKimg). */
const MAX_KIMG = 1_000_000;

/** `network-snapshot-000010.pkl` was saved after 10,000 images. */
function imagesOf({ name, kimg }: ImportSource): number {
  const said = kimg ?? /^network-snapshot-(\d+)\.pkl$/.exec(name)?.[1];
  if (Number(said) > MAX_KIMG)
    throw new PgganError(
      'OptionsInvalid',
      `${name} was saved after ${said} kimg, more than the ${MAX_KIMG} of any run: correct --kimg or its name`,
    );
  if (said !== undefined) return Number(said) * 1000;
  throw new PgganError(
    'OptionsInvalid',
    `${name}: its name does not say after how many images it was saved (network-snapshot-<kimg>.pkl does): give --kimg`,
  );
}

function filesOf({ generator, discriminator, generatorEma }: Snapshot): TensorFiles {
  const none = { tensors: new Map() };
  return {
    generator: table(generator),
    discriminator: table(discriminator),
    'generator-ema': table(generatorEma),
    'adam-generator': none,
    'adam-discriminator': none,
  };
}

function table(weights: ReadonlyMap<string, Tensor>): { readonly tensors: TensorTable } {
  return { tensors: new Map([...weights].map(([name, { shape, data }]) => [name, storedFloats(shape, data)])) };
}

function stateOf(images: number, { lod, sha256 }: Snapshot, { name }: ImportSource): CheckpointState {
  return {
    images,
    imagesAtIterationStart: images,
    repeatIndex: 0,
    previousLod: lod,
    adamStep: { generator: 0, discriminator: 0 },
    tick: 0,
    imagesAtTickStart: images,
    tickSums: {},
    secondsTrained: 0,
    secondsAtTickStart: 0,
    nextSnapshots: {},
    attempt: 0,
    environment: { importedFrom: name.slice(0, 256), sha256 },
  };
}
