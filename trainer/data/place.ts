/** Where the files of a dataset lie: in a folder of this machine, or in an object store, of which only what is needed is fetched. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileDigest, fileDigest } from '../checkpoint/file-digest.ts';
import { type DatasetFiles, type Description, folderFiles, readDescription } from './folder.ts';

export interface Place {
  /** What messages call it: a path, or an address. */
  readonly where: string;
  readonly files: DatasetFiles;
  readonly description: Description | undefined;
  /** Sizes of the data files, in bytes. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Whether the files are there without being fetched. */
  readonly isLocal: boolean;
  /** The path of a file that is there in whole. */
  whole(name: string): Promise<string>;
  /** The path of a file of records in which at least those numbered can be read. */
  some(name: string, indexes: readonly number[]): Promise<string>;
  /** Size and SHA-256 of each data file. */
  digests(): Promise<ReadonlyMap<string, FileDigest>>;
  /** Removes what was fetched. */
  remove(): void;
}

/** @throws {PgganError} StoreUnavailable where there is no such folder, DatasetInvalid where it is no dataset */
export async function localPlace(folder: string): Promise<Place> {
  const files = await folderFiles(folder);
  const names = dataFiles(files);
  const each = async <T>(ask: (path: string) => Promise<T>): Promise<ReadonlyMap<string, T>> => {
    const found = new Map<string, T>();
    for (const name of names) found.set(name, await ask(join(folder, name)));
    return found;
  };
  return {
    where: folder,
    files,
    description: await readDescription(folder),
    sizes: await each(async (path) => (await stat(path)).size),
    isLocal: true,
    whole: async (name) => join(folder, name),
    some: async (name) => join(folder, name),
    digests: () => each(fileDigest),
    remove: () => undefined,
  };
}

/** Names of all files that a network sees something of. */
export function dataFiles({ levels, labels }: DatasetFiles): readonly string[] {
  return [...levels.map(({ file }) => file), ...(labels === undefined ? [] : [labels])];
}
