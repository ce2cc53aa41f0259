/** A dataset in an object store: a phase fetches the file of its resolution, verified; of other files at most single records. */
import { open, rm } from 'node:fs/promises';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { eachOf } from '../checkpoint/each-of.ts';
import { type FileDigest, fileDigest } from '../checkpoint/file-digest.ts';
import { type Access, openStore } from '../checkpoint/open-store.ts';
import type { Store } from '../checkpoint/store.ts';
import { inWorkingFolder, workingFolder } from '../checkpoint/working-folder.ts';
import { DESCRIPTION, type Description, datasetFiles, parseDescription } from './folder.ts';
import { dataFiles, type Place } from './place.ts';
import { firstRecordBytes } from './tfrecord.ts';

export type RemoteOptions = {
  /** How s3:// is reached. */
  readonly s3?: Access | undefined;
  /** Told what is fetched, since that may take a while. */
  readonly note?: ((line: string) => void) | undefined;
};

/** Records that are asked for at once. */
const AT_ONCE = 8;

/**
 * Files are fetched into a folder of this process's own. The digests in dataset.json are believed for files that are not fetched, and checked for those that are.
 * @throws {PgganError} StoreUnavailable where nothing is there, DatasetInvalid where it is no dataset
 */
export async function remotePlace(uri: string, { s3, note }: RemoteOptions): Promise<Place> {
  const store = openStore(uri, { s3, create: false });
  const entries = (await store.list('')).filter(({ key }) => !key.includes('/'));
  const files = datasetFiles(
    store.uri,
    entries.map(({ key }) => key),
  );
  const names = dataFiles(files);
  const sizes = new Map(entries.filter(({ key }) => names.includes(key)).map(({ key, size }) => [key, size]));
  const description = await descriptionIn(store);
  const promised = promisesOf(store, description, sizes);
  const scratch = workingFolder();
  const fetched = new Map<string, FileDigest>();

  const whole = async (name: string): Promise<string> => {
    const path = join(scratch, name);
    if (fetched.has(name)) return path;
    await inWorkingFolder(scratch, async () => {
      note?.(`fetching ${name} (${megabytes(sizes.get(name) ?? 0)} MB) from ${store.uri}`);
      fetched.set(name, await fetchVerified(store, name, path, promised.get(name)));
    });
    return path;
  };
  return {
    where: store.uri,
    files,
    description,
    sizes,
    isLocal: false,
    whole,
    async some(name, indexes) {
      const path = join(scratch, `${name}.some`);
      await inWorkingFolder(scratch, () => fetchRecords(store, name, path, sizes.get(name) ?? 0, indexes));
      return path;
    },
    async digests() {
      const missing = names.filter((name) => !promised.has(name) && !fetched.has(name));
      if (missing.length > 0) {
        note?.(
          `${store.uri} has no ${DESCRIPTION} with the digests of its files, so that all are read at each start: \`dataset upload\` writes one`,
        );
      }
      for (const name of missing) await rm(await whole(name));
      return new Map(names.map((name) => [name, promised.get(name) ?? fetched.get(name) ?? unknown(name)]));
    },
    remove() {
      if (existsSync(scratch)) rmSync(scratch, { recursive: true, force: true });
    },
  };
}

async function descriptionIn(store: Store): Promise<Description | undefined> {
  const bytes = await store.read(DESCRIPTION);
  return bytes && parseDescription(bytes.toString(), `${DESCRIPTION} in ${store.uri}`);
}

/** What the description says of the files that are there. */
function promisesOf(
  store: Store,
  description: Description | undefined,
  sizes: ReadonlyMap<string, number>,
): ReadonlyMap<string, FileDigest> {
  const promised = new Map((description?.files ?? []).map(({ name, bytes, sha256 }) => [name, { bytes, sha256 }]));
  for (const [name, { bytes }] of promised) {
    if (sizes.get(name) !== bytes) {
      const found = sizes.has(name) ? `${sizes.get(name)} bytes` : 'nothing';
      throw new PgganError(
        'DatasetInvalid',
        `${DESCRIPTION} in ${store.uri} promises ${name} with ${bytes} bytes, but there is ${found}: upload the dataset again`,
      );
    }
  }
  return promised;
}

async function fetchVerified(store: Store, name: string, path: string, promised: FileDigest | undefined): Promise<FileDigest> {
  const entry = await store.download(name, path).catch((error: unknown) => {
    if (error instanceof PgganError && error.code === 'CheckpointInvalid')
      throw new PgganError('DatasetInvalid', error.message, { cause: error });
    throw error;
  });
  if (!entry) throw new PgganError('DatasetInvalid', `${name} in ${store.uri} was there a moment ago and is gone`);
  const found = await fileDigest(path);
  if (!promised || promised.sha256 === found.sha256) return found;
  throw new PgganError(
    'DatasetInvalid',
    `${name} in ${store.uri} is not the file that ${DESCRIPTION} describes (SHA-256 ${found.sha256.slice(0, 12)}... instead of ${promised.sha256.slice(0, 12)}...)`,
  );
}

/** A file with holes: as large as the whole one, of which only the records asked for (and the first, which tells their size) are there. */
async function fetchRecords(store: Store, name: string, path: string, bytes: number, indexes: readonly number[]): Promise<void> {
  const range = async (start: number, end: number): Promise<Buffer> => {
    const found = await store.readRange(name, start, end);
    if (found?.length === end - start) return found;
    throw new PgganError('DatasetInvalid', `${name} in ${store.uri} ends before byte ${end}: the file is cut short`);
  };
  const record = firstRecordBytes(`${name} in ${store.uri}`, await range(0, Math.min(bytes, 12)));
  const handle = await open(path, 'w');
  try {
    await handle.truncate(bytes);
    await eachOf([...new Set([0, ...indexes])], AT_ONCE, async (index) => {
      await handle.write(await range(index * record, (index + 1) * record), 0, record, index * record);
    });
  } finally {
    await handle.close();
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function unknown(name: string): never {
  throw new Error(`no digest was made of ${name}`);
}
