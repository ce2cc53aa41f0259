/** The safetensors format: named tensors in one file, read with suspicion and written without copying a tensor. */
import { asError, PgganError } from '../../crds/errors.ts';

/** Bytes per element of every type that the format knows and a whole number of bytes can hold. */
const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

/** `data` holds the elements in row-major order, little-endian; a view, so that no tensor is copied. */
export type StoredTensor = { readonly dtype: Dtype; readonly shape: readonly number[]; readonly data: Uint8Array };
export type TensorTable = ReadonlyMap<string, StoredTensor>;
export type TensorFile = { readonly tensors: TensorTable; readonly metadata: Readonly<Record<string, string>> };

/** The format allows 100 MB; a header of ours is some 100 kB. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAX_RANK = 16;

/**
 * Reads a safetensors file; the tensors are views of `bytes`. Everything a header can lie about is checked: its length, each dtype,
 * shape and offset; the tensors must cover the data exactly, without overlap, gap or rest.
 * @param name what messages call the file
 * @throws {PgganError} CheckpointInvalid
 */
export function parseSafetensors(bytes: Uint8Array, name: string): TensorFile {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new PgganError('CheckpointInvalid', `${name} is not a sound safetensors file: ${problem}`, { cause });
  };
  if (bytes.byteLength < 8) return refuse(`it has ${bytes.byteLength} bytes, fewer than its length field`);
  const headerBytes = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES)
    return refuse(`its header claims ${headerBytes} bytes, more than the ${MAX_HEADER_BYTES} that are read`);
  if (headerBytes > bytes.byteLength - 8)
    return refuse(`its header claims ${headerBytes} bytes, the file has ${bytes.byteLength - 8} (truncated?)`);
  const data = bytes.subarray(8 + headerBytes);

  const tensors = new Map<string, StoredTensor>();
  let metadata: Readonly<Record<string, string>> = {};
  const spans: { readonly key: string; readonly begin: number; readonly end: number }[] = [];
  for (const [key, value] of Object.entries(parseHeader(bytes.subarray(8, 8 + headerBytes), refuse))) {
    if (key === '__metadata__') {
      metadata = parseMetadata(value, refuse);
      continue;
    }
    const { dtype, shape, begin, end } = parseEntry(key, value, refuse);
    if (end > data.byteLength) return refuse(`tensor ${show(key)} ends at byte ${end} of ${data.byteLength} (truncated?)`);
    spans.push({ key, begin, end });
    tensors.set(key, { dtype, shape, data: data.subarray(begin, end) });
  }

  let covered = 0;
  for (const { key, begin, end } of spans.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) return refuse(`tensor ${show(key)} overlaps the one before it at byte ${begin}`);
    if (begin > covered) return refuse(`bytes ${covered} to ${begin} belong to no tensor`);
    covered = end;
  }
  if (covered !== data.byteLength) return refuse(`${data.byteLength - covered} bytes after the last tensor belong to none`);
  return { tensors, metadata };
}

/**
 * A safetensors file as header and views of the given data, to be written one after the other. Equal tables give equal bytes: wide
 * elements come first (so that every tensor is aligned), then by name; the header is padded to a multiple of 8 bytes.
 * @throws {RangeError} where data and shape disagree
 */
export function serializeSafetensors(tensors: TensorTable, metadata: Readonly<Record<string, string>> = {}): readonly Uint8Array[] {
  const ordered = [...tensors].sort(([a, left], [b, right]) => DTYPE_BYTES[right.dtype] - DTYPE_BYTES[left.dtype] || compareNames(a, b));
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) {
    header.push(['__metadata__', Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compareNames(a, b)))]);
  }
  let offset = 0;
  for (const [key, { dtype, shape, data }] of ordered) {
    const want = elements(shape) * DTYPE_BYTES[dtype];
    if (key === '__metadata__') throw new RangeError('a tensor cannot be called __metadata__');
    if (want !== data.byteLength)
      throw new RangeError(`tensor ${key}: ${dtype} [${shape.join()}] takes ${want} bytes, its data has ${data.byteLength}`);
    header.push([key, { dtype, shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  return [encodeHeader(header), ...ordered.map(([, { data }]) => data)];
}

/** float32 values as a stored tensor, without copying them. */
export function storedFloats(shape: readonly number[], values: Float32Array): StoredTensor {
  return { dtype: 'F32', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/** The values of a float32 tensor; copied only where their bytes are not aligned. @throws {PgganError} CheckpointInvalid for other types */
export function floatsOf(tensor: StoredTensor, name: string): Float32Array {
  if (tensor.dtype !== 'F32') throw new PgganError('CheckpointInvalid', `tensor ${name} has type ${tensor.dtype}, F32 is needed`);
  const { data } = tensor;
  const aligned = data.byteOffset % 4 === 0 ? data : Uint8Array.from(data);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

/** The order of names everywhere in a checkpoint: by UTF-16 code unit, whatever the locale. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

type Refuse = (problem: string, cause?: unknown) => never;

function parseHeader(bytes: Uint8Array, refuse: Refuse): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    return refuse(`its header is not JSON (${asError(cause).message})`, cause);
  }
  if (!isRecord(header)) return refuse('its header is no JSON object');
  return header;
}

function parseMetadata(value: unknown, refuse: Refuse): Readonly<Record<string, string>> {
  if (!isRecord(value)) return refuse('__metadata__ is no object');
  for (const [key, text] of Object.entries(value)) if (typeof text !== 'string') return refuse(`__metadata__ ${show(key)} is no string`);
  return value as Readonly<Record<string, string>>;
}

function parseEntry(key: string, value: unknown, refuse: Refuse) {
  if (!isRecord(value)) return refuse(`the entry of tensor ${show(key)} is no object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype))
    return refuse(`tensor ${show(key)} has the unknown type ${show(dtype)}`);
  if (!isCounts(shape) || shape.length > MAX_RANK) return refuse(`tensor ${show(key)} has no valid shape: ${show(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) return refuse(`tensor ${show(key)} has no valid data_offsets: ${show(offsets)}`);
  const [begin = 0, end = 0] = offsets;
  const want = elements(shape) * DTYPE_BYTES[dtype as Dtype];
  if (end - begin !== want)
    return refuse(`tensor ${show(key)}: ${dtype} [${shape.join()}] takes ${want} bytes, its data_offsets span ${end - begin}`);
  return { dtype: dtype as Dtype, shape, begin, end };
}

function encodeHeader(entries: readonly (readonly [string, unknown])[]): Uint8Array {
  // Written key by key: an object literal would reorder keys that look like integers and swallow __proto__.
  const json = Buffer.from(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, 8);
  return header;
}

/** Elements of a tensor; Infinity, which equals no byte count, where the product is beyond exact integers. */
function elements(shape: readonly number[]): number {
  const product = shape.reduce((all, size) => all * size, 1);
  return Number.isSafeInteger(product) ? product : Number.POSITIVE_INFINITY;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
