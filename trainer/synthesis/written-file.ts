/** Writes a long text to a store through a file of its own, since neither a string nor memory may hold the whole of it. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../checkpoint/store.ts';
import { withWorkingFolder } from '../checkpoint/working-folder.ts';

/** Characters that are gathered before they are written. */
const GATHERED = 1 << 20;

/** Returns the SHA-256 of the text, in hex. @throws {PgganError} of the store, StoreFull where there is no room for the file */
export async function writeThroughFile(store: Store, key: string, text: AsyncIterable<string>): Promise<string> {
  return withWorkingFolder(async (folder) => {
    const file = join(folder, 'text');
    const sha256 = await writtenTo(file, text);
    await store.upload(key, file);
    return sha256;
  });
}

async function writtenTo(file: string, text: AsyncIterable<string>): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file, 'wx');
  const write = async (piece: string): Promise<void> => {
    hash.update(piece);
    await handle.writeFile(piece);
  };
  try {
    let gathered = '';
    for await (const piece of text) {
      gathered += piece;
      if (gathered.length < GATHERED) continue;
      await write(gathered);
      gathered = '';
    }
    await write(gathered);
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}
