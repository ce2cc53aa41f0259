/** Size and digest of a file, whatever its size. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export type FileDigest = { readonly bytes: number; readonly sha256: string };

/** Size and SHA-256 of a file, streamed. */
export async function fileDigest(file: string): Promise<FileDigest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
