/** Labels as a NumPy file: float32 [N, L] written byte for byte as numpy.save does; other number types are read too. */
import { PgganError } from '../../crds/errors.ts';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** Labels of N images, L values each (one-hot in practice), row by row. */
export type Labels = { readonly rows: number; readonly size: number; readonly values: Float32Array };

/** The bytes of an .npy file of version 1.0. */
export function encodeLabels(labels: Labels): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${labels.rows}, ${labels.size}), }`;
  // The data begin at a multiple of 64 bytes; the header is filled with blanks and ends in a line feed.
  const headerLength = Math.ceil((MAGIC.length + 4 + text.length + 1) / 64) * 64 - MAGIC.length - 4;
  const head = Buffer.alloc(MAGIC.length + 4);
  MAGIC.copy(head);
  head.writeUInt8(1, 6);
  head.writeUInt16LE(headerLength, 8);
  const values = Buffer.alloc(labels.values.length * 4);
  labels.values.forEach((value, i) => values.writeFloatLE(value, i * 4));
  return Buffer.concat([head, Buffer.from(`${text.padEnd(headerLength - 1)}\n`, 'latin1'), values]);
}

type Reader = { readonly bytes: number; readonly read: (data: Buffer, at: number) => number };

const READERS: Readonly<Record<string, Reader>> = {
  '<f4': { bytes: 4, read: (data, at) => data.readFloatLE(at) },
  '<f8': { bytes: 8, read: (data, at) => data.readDoubleLE(at) },
  '|u1': { bytes: 1, read: (data, at) => data.readUInt8(at) },
  '|i1': { bytes: 1, read: (data, at) => data.readInt8(at) },
  '|b1': { bytes: 1, read: (data, at) => data.readUInt8(at) },
  '<i2': { bytes: 2, read: (data, at) => data.readInt16LE(at) },
  '<u2': { bytes: 2, read: (data, at) => data.readUInt16LE(at) },
  '<i4': { bytes: 4, read: (data, at) => data.readInt32LE(at) },
  '<u4': { bytes: 4, read: (data, at) => data.readUInt32LE(at) },
  '<i8': { bytes: 8, read: (data, at) => Number(data.readBigInt64LE(at)) },
};

/** Reads an .npy file of a two-dimensional array; `file` is named in errors. @throws {PgganError} DatasetInvalid */
export function parseLabels(file: string, bytes: Buffer): Labels {
  const invalid = (found: string): PgganError => new PgganError('DatasetInvalid', `${file}: ${found}`);
  if (bytes.length < 12 || !bytes.subarray(0, 6).equals(MAGIC)) throw invalid('not a NumPy (.npy) file');
  const wide = bytes.readUInt8(6) >= 2;
  const start = (wide ? 12 : 10) + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.subarray(wide ? 12 : 10, start).toString('latin1');
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? 'unknown';
  const shape = /'shape':\s*\((\d+),\s*(\d+)\s*,?\)/.exec(header);
  const reader = READERS[descr];
  if (!reader) throw invalid(`labels of type '${descr}' cannot be read: save them as float32`);
  if (!shape) throw invalid('labels must be a two-dimensional array, one row per image');
  if (/'fortran_order':\s*True/.test(header)) throw invalid('labels are stored column by column: save numpy.ascontiguousarray of them');
  const [rows, size] = [Number(shape[1]), Number(shape[2])];
  const want = start + rows * size * reader.bytes;
  if (bytes.length !== want)
    throw invalid(`${bytes.length} bytes, but labels of ${rows} x ${size} '${descr}' take ${want}: the file is damaged`);
  const values = Float32Array.from({ length: rows * size }, (_, i) => reader.read(bytes, start + i * reader.bytes));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw invalid(`row ${Math.floor(bad / size)} holds a value that is not finite`);
  return { rows, size, values };
}
