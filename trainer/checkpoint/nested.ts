/** A run folder inside another run's: whoever deletes, copies or moves the outer one would take the inner one along. */
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PgganError } from '../../crds/errors.ts';
import { codeOf } from './file-errors.ts';
import { type OwnerRecord, readOwner } from './owner.ts';
import type { Store } from './store.ts';

/**
 * Asks each folder above a run folder for its owner.json, at the cost of one look where there is none.
 * @param open how a folder above, by its URI, is opened
 * @throws {PgganError} RunNested, naming both folders; StoreUnavailable
 */
export async function refuseNested(uri: string, open: (uri: string) => Store): Promise<void> {
  for (const outer of foldersAbove(uri)) {
    const owner = await ownerOf(open(outer));
    if (!owner) continue;
    throw new PgganError(
      'RunNested',
      `${uri} lies inside ${outer}, the run folder of training ${owner.namespace}/${owner.name}: set spec.output.uri to a folder outside of it (on a cluster, delete this training and apply it again: the field cannot be changed)`,
    );
  }
}

/** From the nearest up to the bucket, or the root of the file system. */
export function foldersAbove(uri: string): readonly string[] {
  const [, bucket, prefix = ''] = /^(s3:\/\/[^/]+)\/?(.*)$/s.exec(uri) ?? [];
  if (bucket !== undefined) {
    const parts = prefix.split('/').filter((part) => part !== '');
    return parts.map((_, index) => [bucket, ...parts.slice(0, index)].join('/')).toReversed();
  }
  const found: string[] = [];
  for (let path = fileURLToPath(uri); dirname(path) !== path; ) {
    path = dirname(path);
    found.push(pathToFileURL(path).href);
  }
  return found;
}

/** Undefined, too, where the file of that name is not one of ours, or where we may not look: credentials are often those of a prefix. */
async function ownerOf(store: Store): Promise<OwnerRecord | undefined> {
  try {
    return (await readOwner(store))?.record;
  } catch (error) {
    if (!(error instanceof PgganError)) throw error;
    if (error.code === 'CheckpointInvalid' || error.code === 'StoreRefused') return undefined;
    if (['EACCES', 'EPERM'].includes(codeOf(error.cause) ?? '')) return undefined;
    throw error;
  }
}
