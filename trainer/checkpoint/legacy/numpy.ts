/** NumPy's arrays as they lie in a pickle: four ways to write the same numbers, of which little-endian float32 is read. */
import { type Call, describe, nameOf, type PickleValue, type Refuse } from './values.ts';

export type Tensor = { readonly shape: readonly number[]; readonly data: Float32Array };

/** Reads an array of float32 that must have the shape `wanted`. */
export type ArrayReader = (value: PickleValue, name: string, wanted: readonly number[]) => Tensor;

const MAX_RANK = 4;
const FLOAT_BYTES = 4;

/** Reads arrays of `budgetBytes` together at most, so that one that a pickle names again and again does not become as many copies. */
export function arrayReader(budgetBytes: number, refuse: Refuse): ArrayReader {
  let left = budgetBytes;
  return (value, name, wanted) => {
    const { shape, data } = partsOf(value, name, refuse);
    if (shape.join() !== wanted.join())
      return refuse(value.at, `${name} has the shape [${shape.join(', ')}] instead of [${wanted.join(', ')}]`);
    const bytes = FLOAT_BYTES * shape.reduce((product, side) => product * side, 1);
    if (data.byteLength !== bytes)
      return refuse(value.at, `${name}: float32 [${shape.join(', ')}] takes ${bytes} bytes, its data has ${data.byteLength}`);
    left -= bytes;
    if (left < 0) return refuse(value.at, `${name}: the arrays together are larger than the file that holds them`);
    // A copy: a view would have to start at a multiple of four, and would keep the whole file in memory.
    const floats = new Float32Array(new Uint8Array(data).buffer);
    return floats.every(Number.isFinite) ? { shape, data: floats } : refuse(value.at, `${name} holds numbers that are not finite`);
  };
}

type Parts = { readonly shape: readonly number[]; readonly data: Uint8Array };

function partsOf(value: PickleValue, name: string, refuse: Refuse): Parts {
  if (value.kind !== 'call') return refuse(value.at, `${name} should be an array but is ${describe(value)}`);
  switch (value.callee.replace(/^numpy\._?core\./, '')) {
    case 'multiarray._reconstruct':
      return reconstructed(value, name, refuse);
    case 'multiarray.scalar':
      return scalar(value, name, refuse);
    case 'numeric._frombuffer':
      return fromBuffer(value, name, refuse);
    default:
      return refuse(value.at, `${name} should be an array but is ${describe(value)}`);
  }
}

/** `_reconstruct(ndarray, (0,), b'b')` with the state (1, shape, dtype, is Fortran order, data): protocols 2 to 4, and arrays in odd layouts. */
function reconstructed({ at, state }: Call, name: string, refuse: Refuse): Parts {
  if (state?.kind !== 'tuple' || state.items.length !== 5) {
    return refuse(state?.at ?? at, `${name}: the state of its array should be a tuple of 5 but is ${describe(state)}`);
  }
  const [, shape, dtype, isFortran, data] = state.items;
  checkFloat32(dtype, at, name, refuse);
  if (isFortran?.kind !== 'plain' || isFortran.value !== false) {
    return refuse(isFortran?.at ?? at, `${name} lies in memory in Fortran order, which no snapshot's arrays do`);
  }
  return { shape: shapeOf(shape, at, name, refuse), data: bytesOf(data, at, name, refuse) };
}

/** `scalar(dtype, data)`. */
function scalar({ at, args }: Call, name: string, refuse: Refuse): Parts {
  const [dtype, data] = args.items;
  checkFloat32(dtype, at, name, refuse);
  return { shape: [], data: bytesOf(data, at, name, refuse) };
}

/** `_frombuffer(data, dtype, shape, order)`: protocol 5. */
function fromBuffer({ at, args }: Call, name: string, refuse: Refuse): Parts {
  const [data, dtype, shape, order] = args.items;
  checkFloat32(dtype, at, name, refuse);
  const found = nameOf(order, at, `${name}: the order of its array`, refuse);
  if (found !== 'C') return refuse(order?.at ?? at, `${name} lies in memory in order ${JSON.stringify(found)}, only "C" is read`);
  return { shape: shapeOf(shape, at, name, refuse), data: bytesOf(data, at, name, refuse) };
}

/** `dtype('f4', False, True)` with the state (3, '<', None, None, None, -1, -1, 0). */
function checkFloat32(value: PickleValue | undefined, at: number, name: string, refuse: Refuse): void {
  if (value?.kind !== 'call' || value.callee !== 'numpy.dtype') {
    return refuse(value?.at ?? at, `${name}: its dtype should be one of NumPy's but is ${describe(value)}`);
  }
  const type = nameOf(value.args.items[0], value.at, `${name}: its dtype`, refuse);
  if (type !== 'f4' && type !== '<f4')
    return refuse(value.at, `${name} has the dtype ${JSON.stringify(type)}, only float32 ("f4") is read`);
  if (value.state?.kind !== 'tuple') return refuse(value.at, `${name}: its dtype has no byte order`);
  const byteOrder = nameOf(value.state.items[1], value.at, `${name}: the byte order of its dtype`, refuse);
  if (byteOrder !== '<')
    return refuse(value.at, `${name} has the byte order ${JSON.stringify(byteOrder)}, only little-endian ("<") is read`);
}

function shapeOf(value: PickleValue | undefined, at: number, name: string, refuse: Refuse): readonly number[] {
  if (value?.kind !== 'tuple' || value.items.length > MAX_RANK) {
    return refuse(value?.at ?? at, `${name}: its shape should be a tuple of at most ${MAX_RANK} but is ${describe(value)}`);
  }
  return value.items.map((item) => {
    const side = item.kind === 'plain' ? item.value : undefined;
    if (typeof side === 'number' && Number.isInteger(side) && side > 0 && side < 2 ** 31) return side;
    return refuse(item.at, `${name}: a side of its shape is ${describe(item)}`);
  });
}

/** Bytes as protocols 3 and newer write them, or as protocol 2 does: text of the characters 0 to 255, to be encoded as Latin-1. */
function bytesOf(value: PickleValue | undefined, at: number, name: string, refuse: Refuse): Uint8Array {
  if (value?.kind === 'bytes') return value.data;
  if (value?.kind === 'call' && value.callee === '_codecs.encode') {
    const [text, encoding] = value.args.items;
    const wanted = nameOf(encoding, value.at, `${name}: the encoding of its data`, refuse);
    if (text?.kind === 'text' && wanted === 'latin1') return latin1(text.utf8, text.at, name, refuse);
  }
  return refuse(value?.at ?? at, `${name}: its data should be bytes but is ${describe(value)}`);
}

/** UTF-8 of characters below 256 as one byte each. */
function latin1(utf8: Uint8Array, at: number, name: string, refuse: Refuse): Uint8Array {
  const out = new Uint8Array(utf8.byteLength);
  let length = 0;
  for (let i = 0; i < utf8.byteLength; i++) {
    const lead = utf8[i] ?? 0;
    if (lead < 0x80) {
      out[length++] = lead;
      continue;
    }
    const next = utf8[++i] ?? 0;
    if ((lead !== 0xc2 && lead !== 0xc3) || (next & 0xc0) !== 0x80) return refuse(at, `${name}: its data is no text of bytes`);
    out[length++] = ((lead & 3) << 6) | (next & 0x3f);
  }
  return out.subarray(0, length);
}
