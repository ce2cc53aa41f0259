/** What is uploaded, cut into the chunks that travel and are verified one by one. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { PgganError } from '../../../crds/errors.ts';

/** Size of every chunk but the last. Small enough that a cut connection costs little, large enough that requests do not. */
export const CHUNK_BYTES = 16 * 1024 * 1024;
/** S3 takes no more parts than this. */
const MAX_CHUNKS = 10_000;

export type Content = {
  readonly size: number;
  /** SHA-256 of each chunk, in hex; one even where there are no bytes. */
  readonly digests: readonly string[];
  /** The bytes of a chunk, in order; may be asked for several times. */
  chunk(index: number): Promise<readonly Buffer[]>;
};

/** The content of buffers: chunks are views of them, so nothing is copied. */
export function contentOfParts(parts: readonly Uint8Array[]): Content {
  const chunks = cut(parts);
  return {
    size: parts.reduce((sum, part) => sum + part.byteLength, 0),
    digests: chunks.map((views) => sha256(views)),
    chunk: async (index) => chunks[index] ?? [],
  };
}

/** The content of a file, which must not change meanwhile; one chunk at a time is read. */
export async function contentOfFile(path: string): Promise<Content> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    refuseTooLarge(size, path);
    const digests: string[] = [];
    const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
    for (let start = 0; start === 0 || start < size; start += CHUNK_BYTES) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
      digests.push(sha256([buffer.subarray(0, bytesRead)]));
    }
    return { size, digests, chunk: (index) => readChunk(path, index, size) };
  } finally {
    await handle.close();
  }
}

/** Of one chunk its SHA-256; of several the SHA-256 over their digests, and the size of a chunk. Kept with the object, compared by readers. */
export function contentDigest(digests: readonly string[]): string {
  if (digests.length === 1) return digests[0] ?? '';
  const all = createHash('sha256');
  for (const digest of digests) all.update(digest, 'hex');
  return `${all.digest('hex')}-${CHUNK_BYTES}`;
}

export function sha256(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

export function refuseTooLarge(size: number, name: string): void {
  if (size <= MAX_CHUNKS * CHUNK_BYTES) return;
  throw new PgganError(
    'OptionsInvalid',
    `${name} has ${size} bytes, more than the ${MAX_CHUNKS * CHUNK_BYTES} that an object may have here`,
  );
}

function cut(parts: readonly Uint8Array[]): readonly (readonly Buffer[])[] {
  const chunks: Buffer[][] = [[]];
  let room = CHUNK_BYTES;
  for (const part of parts) {
    for (let start = 0; start < part.byteLength; ) {
      if (room === 0) {
        chunks.push([]);
        room = CHUNK_BYTES;
      }
      const length = Math.min(room, part.byteLength - start);
      chunks.at(-1)?.push(Buffer.from(part.buffer, part.byteOffset + start, length));
      start += length;
      room -= length;
    }
  }
  return chunks;
}

async function readChunk(path: string, index: number, size: number): Promise<readonly Buffer[]> {
  const start = index * CHUNK_BYTES;
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - start));
  const handle = await open(path);
  try {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    return [buffer.subarray(0, bytesRead)];
  } finally {
    await handle.close();
  }
}
