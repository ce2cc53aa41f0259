/** What a shard has written, noted block by block: a restart believes it of files that are still the ones that were written. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import { jsonBytes, parseJson } from '../checkpoint/format.ts';
import type { Store, StoreEntry } from '../checkpoint/store.ts';
import { shardName } from './shard.ts';

const entry = z.object({
  index: z.number(),
  /** SHA-256 of the image as it is stored: a PNG file, or one record. */
  sha256: z.string(),
  /** The file that holds it, as the store knew it when it was written. */
  file: z.string(),
  size: z.number(),
  version: z.string(),
});
const block = z.object({ images: z.array(entry) });

export type Entry = Readonly<z.infer<typeof entry>>;
export type Entries = ReadonlyMap<number, Entry>;

export interface Journal {
  /** What is noted of a block, by index of the image; nothing where the note is damaged: its images are then looked at themselves. */
  read(block: number): Promise<Entries>;
  write(block: number, entries: Iterable<Entry>): Promise<void>;
}

/** @throws {PgganError} of the store, as its verbs do */
export async function openJournal(store: Store, shard: number): Promise<Journal> {
  const folder = `journal/${shardName(shard)}/`;
  const keyOf = (number: number): string => `${folder}${String(number).padStart(6, '0')}.json`;
  const written = new Set((await store.list(folder)).map(({ key }) => key));
  return {
    async read(number) {
      const key = keyOf(number);
      const bytes = written.has(key) ? await store.read(key) : undefined;
      return bytes ? new Map(entriesOf(bytes, `${key} in ${store.uri}`).map((each) => [each.index, each])) : new Map();
    },
    async write(number, entries) {
      const key = keyOf(number);
      const images = [...entries].sort((a, b) => a.index - b.index);
      await store.write(key, [jsonBytes({ images })]);
      written.add(key);
    },
  };
}

/**
 * Whether the file is still the one that was noted. A version changes with every write, also of equal bytes (a folder that was copied is
 * looked through once), and sizes alone would not tell a file that somebody has replaced by another image.
 */
export const isUnchanged = (noted: Entry, found: StoreEntry): boolean => noted.size === found.size && noted.version === found.version;

function entriesOf(bytes: Uint8Array, name: string): readonly Entry[] {
  try {
    return parseJson(block, bytes, name).images;
  } catch (error) {
    if (error instanceof PgganError) return [];
    throw error;
  }
}
