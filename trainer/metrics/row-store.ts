/** A list of equally long float32 rows, appended once and read often: in memory, or in a temporary file when they are too many. */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asError, PgganError } from '../../crds/errors.ts';

export interface RowStore {
  /** Number of rows so far. */
  readonly rows: number;
  /** Appends whole rows; the caller may overwrite them afterwards. */
  append(values: Float32Array): Promise<void>;
  /** All rows in order, some at a time. An array is valid until the next one is asked for, and is not to be written to. */
  chunks(): AsyncIterable<Float32Array>;
  dispose(): Promise<void>;
}

/** Where rows are kept. */
export type RowPlace = { readonly kind: 'memory' } | { readonly kind: 'file'; readonly folder: string };

/** Rows read at a time are at most this many bytes, so that what is made of them stays in the caches. */
const CHUNK_BYTES = 1 << 20;

export function createRowStore(rowLength: number, place: RowPlace): RowStore {
  const chunkLength = Math.max(1, Math.floor(CHUNK_BYTES / 4 / rowLength)) * rowLength;
  switch (place.kind) {
    case 'memory':
      return memoryStore(rowLength, chunkLength);
    case 'file':
      return fileStore(rowLength, chunkLength, place.folder);
  }
}

function memoryStore(rowLength: number, chunkLength: number): RowStore {
  let parts: Float32Array[] = [];
  let rows = 0;
  return {
    get rows() {
      return rows;
    },
    append(values) {
      parts.push(values.slice());
      rows += values.length / rowLength;
      return Promise.resolve();
    },
    async *chunks() {
      for (const part of parts) {
        for (let at = 0; at < part.length; at += chunkLength) yield part.subarray(at, at + chunkLength);
      }
    },
    dispose() {
      parts = [];
      return Promise.resolve();
    },
  };
}

/** The file loses its name as soon as it is open: a killed process leaves nothing behind. */
function fileStore(rowLength: number, chunkLength: number, folder: string): RowStore {
  let opened: Promise<FileHandle> | undefined;
  let written = 0;
  return {
    get rows() {
      return written / rowLength;
    },
    async append(values) {
      try {
        const file = await (opened ??= openNameless(folder));
        await writeFully(file, Buffer.from(values.buffer, values.byteOffset, values.byteLength), written * 4);
      } catch (cause) {
        const { code } = asError(cause) as NodeJS.ErrnoException;
        if (code !== 'ENOSPC' && code !== 'EDQUOT') throw cause;
        const message = `no room left in ${folder} for the image descriptors of the sliced Wasserstein distance (${written * 4} bytes written); set TMPDIR to a folder with more`;
        throw new PgganError('StoreFull', message, { cause });
      }
      written += values.length;
    },
    async *chunks() {
      const file = await opened;
      const chunk = new Float32Array(Math.min(chunkLength, written));
      if (!file) return;
      for (let at = 0; at < written; at += chunk.length) {
        const part = chunk.subarray(0, written - at);
        await readFully(file, Buffer.from(part.buffer, 0, part.byteLength), at * 4);
        yield part;
      }
    },
    async dispose() {
      const file = await opened;
      opened = undefined;
      written = 0;
      await file?.close();
    },
  };
}

async function openNameless(folder: string): Promise<FileHandle> {
  const own = await mkdtemp(join(folder, 'pggan-rows-'));
  try {
    return await open(join(own, 'rows'), 'wx+', 0o600);
  } finally {
    await rm(own, { recursive: true });
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

async function readFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw new Error(`a temporary file of rows ended at byte ${position + done}`);
    done += bytesRead;
  }
}
