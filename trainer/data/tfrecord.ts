/** Uncompressed TFRecord files of equally shaped images, byte for byte as TensorFlow writes them; image k is at a fixed offset. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { asError, PgganError } from '../../crds/errors.ts';
import { maskedCrc32c } from './crc32c.ts';
import { type Example, exampleFrame, parseExample, type Shape } from './example.ts';

/** Length (uint64), its CRC before the record, the record's CRC after it. */
const HEADER = 12;
const FOOTER = 4;
/** Larger than any image that is trained on (3 channels of 1024x1024), so that a foreign file is not taken for one huge record. */
const MAX_RECORD = 16 * 1024 * 1024;

/** Bytes that one image takes in its file, framing included. */
export function recordBytes(shape: Shape): number {
  const { head, tail } = exampleFrame(shape);
  return HEADER + head.length + shape[0] * shape[1] * shape[2] + tail.length + FOOTER;
}

/** An encoder for images of one shape: uint8 pixels in C,H,W order to a whole record. Every call returns a buffer of its own. */
export function recordEncoder(shape: Shape): (pixels: Uint8Array) => Uint8Array {
  const { head, tail } = exampleFrame(shape);
  const pixelCount = shape[0] * shape[1] * shape[2];
  return (pixels) => {
    if (pixels.length !== pixelCount)
      throw new RangeError(`an image of shape [${shape.join(', ')}] has ${pixelCount} values, not ${pixels.length}`);
    return framed([head, pixels, tail]);
  };
}

/** A record of any kind from its parts, with its length and checksums around it. */
export function framed(parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const record = Buffer.alloc(HEADER + length + FOOTER);
  record.writeUInt32LE(length, 0);
  record.writeUInt32LE(maskedCrc32c(record, 0, 8), 8);
  let at = HEADER;
  for (const part of parts) {
    record.set(part, at);
    at += part.byteLength;
  }
  record.writeUInt32LE(maskedCrc32c(record, HEADER, at), at);
  return record;
}

/** What a whole record holds, without its length and checksums. */
export const recordPayload = (record: Buffer): Buffer => record.subarray(HEADER, record.length - FOOTER);

/** Bytes of the first record, framing included, as the beginning of the file says. @throws {PgganError} DatasetInvalid */
export function firstRecordBytes(file: string, start: Buffer): number {
  if (start.length < HEADER) throw invalid(file, 0, 'the file ends within the first record');
  return HEADER + recordLength(file, 0, start) + FOOTER;
}

/** An open TFRecord file of equally shaped images. */
export interface RecordFile {
  readonly file: string;
  readonly records: number;
  readonly shape: Shape;
  readonly bytes: number;
  /** Pixels of image `index` in C,H,W order; a view that the next call overwrites. @throws {PgganError} DatasetInvalid */
  read(index: number): Uint8Array;
  close(): void;
}

/** Opens a TFRecord file and checks its first record and its size. @throws {PgganError} DatasetInvalid naming file and offset */
export function openRecords(file: string): RecordFile {
  const fd = openSync(file, 'r');
  try {
    return recordsOf(file, fd, fstatSync(fd).size);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function recordsOf(file: string, fd: number, bytes: number): RecordFile {
  if (bytes === 0) throw invalid(file, 0, 'the file is empty');
  const start = Buffer.alloc(HEADER);
  const size = firstRecordBytes(file, start.subarray(0, readSync(fd, start, 0, HEADER, 0)));
  const length = size - HEADER - FOOTER;
  const buffer = Buffer.alloc(size);
  const record = (index: number): Example => {
    const offset = index * size;
    const got = readSync(fd, buffer, 0, size, offset);
    if (got < HEADER) throw invalid(file, offset, 'the file ends here');
    const here = recordLength(file, offset, buffer);
    if (here !== length)
      throw invalid(file, offset, `this record has ${here} bytes, the first one ${length}: all images of a file must have one shape`);
    if (got < size) throw invalid(file, offset, `the file is cut short: ${got} of the record's ${size} bytes are there`);
    if (buffer.readUInt32LE(size - FOOTER) !== maskedCrc32c(buffer, HEADER, size - FOOTER))
      throw invalid(file, offset, 'the record fails its checksum');
    return parsed(file, offset, buffer.subarray(HEADER, size - FOOTER));
  };
  const { shape } = record(0);
  const records = Math.floor(bytes / size);
  if (bytes % size !== 0) {
    for (let index = 0; index <= records; index++) record(index);
    throw invalid(file, records * size, 'the file is cut short');
  }
  return {
    file,
    records,
    shape,
    bytes,
    read(index) {
      if (!(index >= 0 && index < records)) throw new RangeError(`${file} has ${records} images, none of number ${index}`);
      const example = record(index);
      const same = example.shape.every((value, i) => value === shape[i]);
      if (!same) throw invalid(file, index * size, `an image of shape [${example.shape.join(', ')}] among images of [${shape.join(', ')}]`);
      return example.data;
    },
    close: () => closeSync(fd),
  };
}

function recordLength(file: string, offset: number, header: Buffer): number {
  if (header.readUInt32LE(8) !== maskedCrc32c(header, 0, 8)) {
    throw invalid(file, offset, 'the length that should stand here fails its checksum (not an uncompressed TFRecord file, or damaged)');
  }
  const length = Number(header.readBigUInt64LE(0));
  if (length > MAX_RECORD) throw invalid(file, offset, `a record of ${length} bytes is no image that can be trained on`);
  return length;
}

function parsed(file: string, offset: number, bytes: Uint8Array): Example {
  try {
    return parseExample(bytes);
  } catch (cause) {
    throw invalid(file, offset, `the record is no image: ${asError(cause).message}`, cause);
  }
}

function invalid(file: string, offset: number, found: string, cause?: unknown): PgganError {
  return new PgganError('DatasetInvalid', `${file}, offset ${offset}: ${found}`, { cause });
}
