/** Uploads a dataset folder to an object store, so that trainings on a cluster find it: verified, and going on where it was interrupted. */
import { join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { fileDigest } from '../checkpoint/file-digest.ts';
import { type Access, openStore } from '../checkpoint/open-store.ts';
import { openDataset } from './dataset.ts';
import { DESCRIPTION, type Description, folderFiles, localFolder, readDescription } from './folder.ts';
import { dataFiles } from './place.ts';

export type UploadedFile = { readonly name: string; readonly bytes: number };

/**
 * Sends every file, then dataset.json: readers that want it see none before the rest is there. A file that is there already, with the same
 * content, is not sent again. A folder without a description gets one, for its digests. `onFile` is told each file before it is sent.
 * @throws {PgganError} DatasetInvalid, DatasetExists where another dataset is there, StoreUnavailable, StoreFull
 */
export async function uploadDataset(
  pathOrUri: string,
  uri: string,
  s3: Access,
  onFile: (file: UploadedFile) => void,
): Promise<{ readonly uri: string; readonly digest: string; readonly images: number }> {
  const folder = localFolder(pathOrUri);
  const files = await folderFiles(folder);
  const names = dataFiles(files);
  const store = openStore(uri, { s3 });
  const other = (await store.list('')).find(({ key }) => isData(key) && !names.includes(key));
  if (other)
    throw new PgganError(
      'DatasetExists',
      `${store.uri} holds another dataset already (${other.key}): name another address, or remove it first`,
    );
  const { description, digest } = await described(folder);
  for (const { name, bytes } of description.files) {
    onFile({ name, bytes });
    await store.upload(name, join(folder, name));
  }
  await store.write(DESCRIPTION, [Buffer.from(`${JSON.stringify(description, null, 2)}\n`)]);
  return { uri: store.uri, digest, images: description.images };
}

/** The folder's description, whose digests must be true; one that is made where there is none. */
async function described(folder: string): Promise<{ readonly description: Description; readonly digest: string }> {
  const dataset = await openDataset(folder);
  dataset.close();
  const known = await readDescription(folder);
  const files = [];
  for (const name of dataFiles(await folderFiles(folder)).toSorted()) {
    const { bytes, sha256 } = await fileDigest(join(folder, name));
    const promised = known?.files.find((file) => file.name === name);
    if (known && (promised?.bytes !== bytes || promised.sha256 !== sha256))
      throw new PgganError(
        'DatasetInvalid',
        `${join(folder, name)} is not the file that ${DESCRIPTION} describes: create the dataset again`,
      );
    files.push({ name, bytes, sha256 });
  }
  const { name, source, images, channels, resolution, labelSize, digest } = dataset;
  return { description: known ?? { format: 1, name, source, images, channels, resolution, labelSize, files }, digest };
}

const isData = (key: string): boolean => key.endsWith('.tfrecords') || key.endsWith('.labels');
