/** Where objects are kept: the URI that their trainer writes to, and the folder on this machine with the driver's own notes. */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PgganError } from '../../crds/errors.ts';
import { folderOf } from '../../crds/resolve.ts';
import type { Manifest } from '../../crds/manifest.ts';
import { folderUri } from '../../crds/run-notes.ts';
import { readState } from './state.ts';

/** `folder` is the run folder itself, or, where `uri` is s3://, a folder that holds status, lock and log. */
export type Place = { readonly uri: string; readonly folder: string };

/** What was asked about where things are kept. */
export type Keeping = {
  /** --output: replaces spec.output.uri of every object. */
  readonly output: string | undefined;
  /** True where spec.output.uri is meant for a cluster: the quick start, and what draws from it. */
  readonly atHome: boolean;
};

/** Where runs, notes and datasets are kept without --output. */
const HOME = 'runs';

/** The folder below which this machine keeps what no URI says otherwise of. */
export const baseOf = ({ output }: Keeping): string => resolve(output ?? HOME);

/** `<base>/<namespace>/<name>`: --output, else spec.output.uri. @throws {PgganError} ManifestInvalid for pvc:// */
export function placeOf(object: Manifest, keeping: Keeping): Place {
  const { name, namespace = 'default' } = object.metadata;
  const { uri } = object.spec.output;
  if (keeping.output !== undefined || keeping.atHome) return inFolder(join(baseOf(keeping), namespace, name));
  if (uri.startsWith('file://')) return inFolder(join(fileURLToPath(uri), namespace, name));
  if (!uri.startsWith('s3://')) {
    throw new PgganError(
      'ManifestInvalid',
      `spec.output.uri of ${name} is ${uri}, which only a cluster's pods reach: name a folder with --output`,
    );
  }
  // A training and a SynthesisJob may have one name and two buckets: their notes must not meet.
  const notes = object.kind === 'PGGANTraining' ? name : `${name}-synthesis`;
  return { uri: folderOf(object), folder: join(baseOf(keeping), namespace, notes) };
}

export const isRemote = ({ uri }: Place): boolean => uri.startsWith('s3://');

const inFolder = (folder: string): Place => ({ folder, uri: folderUri(folder) });

/** Refuses objects that would be written into one folder. @throws {PgganError} ManifestInvalid */
export function refuseSharedPlaces(placed: readonly { readonly object: Manifest; readonly place: Place }[]): void {
  const taken = new Map<string, Manifest>();
  for (const {
    object,
    place: { uri },
  } of placed) {
    const other = taken.get(uri);
    if (other) {
      throw new PgganError(
        'ManifestInvalid',
        `${titleOf(other)} and ${titleOf(object)} would both be written to ${uri}: give one of them another name, or another spec.output.uri`,
      );
    }
    taken.set(uri, object);
  }
}

/** Refuses a folder that holds, or keeps the notes of, something else. @throws {PgganError} FingerprintMismatch */
export function refuseForeignPlace(object: Manifest, { folder, uri }: Place): void {
  const state = readState(folder);
  if (!state) return;
  const found = state.kind !== object.kind ? `${state.kind} ${state.namespace}/${state.name}` : elsewhere(state.run, uri);
  if (found === undefined) return;
  throw new PgganError(
    'FingerprintMismatch',
    `${folder} belongs to ${found} already: give ${titleOf(object)} another name, or keep it elsewhere with --output`,
  );
}

/** A local run may have been moved with its folder; one in a bucket is where its notes say. */
function elsewhere(run: string, uri: string): string | undefined {
  return run !== uri && (run.startsWith('s3://') || uri.startsWith('s3://')) ? `the run in ${run}` : undefined;
}

const titleOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.namespace ?? 'default'}/${metadata.name}`;
