/** Reads a checkpoint by its address: a run folder, whose newest good checkpoint is meant, or one checkpoint of it. */
import { PgganError } from '../../crds/errors.ts';
import type { CommittedCheckpoint, TensorFileName } from './format.ts';
import {
  findNewestCheckpoint,
  type LoadedCheckpoint,
  loadCheckpoint,
  loadNewestCheckpoint,
  readManifest,
  type SkippedCheckpoint,
} from './load-checkpoint.ts';
import { type Access, openStore } from './open-store.ts';
import type { Store } from './store.ts';

export type Found<Name extends TensorFileName> = {
  /** The run folder. */
  readonly store: Store;
  readonly checkpoint: LoadedCheckpoint<Name>;
  /** Newer ones that are damaged. */
  readonly skipped: readonly SkippedCheckpoint[];
};

const CHECKPOINT = /^(.*)\/(checkpoints\/\d{12})\/?$/;

/** The checkpoint that loadFrom would load, with its run folder; no tensor is read. */
export async function findFrom(
  uri: string,
  s3: Access | undefined,
): Promise<{ readonly store: Store; readonly checkpoint: CommittedCheckpoint }> {
  const { store, key } = addressed(uri, s3);
  if (key !== undefined) return { store, checkpoint: await readManifest(store, key) };
  return { store, checkpoint: (await findNewestCheckpoint(store))?.checkpoint ?? refuseEmpty(store) };
}

/**
 * @param uri `<run folder>` or `<run folder>/checkpoints/<images>`
 * @param s3 how s3:// is reached
 * @throws {PgganError} CheckpointInvalid where there is none, or it is damaged
 */
export async function loadFrom<Name extends TensorFileName>(
  uri: string,
  files: readonly Name[],
  s3: Access | undefined,
): Promise<Found<Name>> {
  const { store, key } = addressed(uri, s3);
  if (key !== undefined) return { store, checkpoint: await loadCheckpoint(store, key, { files }), skipped: [] };
  const found = (await loadNewestCheckpoint(store, { files })) ?? refuseEmpty(store);
  return { store, ...found };
}

function addressed(uri: string, s3: Access | undefined): { readonly store: Store; readonly key: string | undefined } {
  const [, folder, key] = CHECKPOINT.exec(uri) ?? [];
  return { store: openStore(folder ?? uri, { s3 }), key: key === undefined ? undefined : `${key}/` };
}

function refuseEmpty({ uri }: Store): never {
  throw new PgganError('CheckpointInvalid', `${uri} holds no checkpoint yet: let the training run first`);
}
