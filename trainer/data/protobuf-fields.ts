/** Fields of protocol buffer messages in wire format; a message is the concatenation of its fields. */

/** A whole number; negative ones as 64-bit two's complement. */
export const integerField = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)]);
export const doubleField = (field: number, value: number): Buffer => Buffer.concat([varint((field << 3) | 1), double(value)]);
export const floatField = (field: number, value: number): Buffer => Buffer.concat([varint((field << 3) | 5), float32(value)]);
/** A string, as UTF-8. */
export const textField = (field: number, value: string): Buffer => bytesField(field, Buffer.from(value));
/** Bytes, a message within the message, or packed numbers. */
export const bytesField = (field: number, value: Uint8Array): Buffer => Buffer.concat([fieldHeader(field, value.byteLength), value]);

/** What stands before the `length` bytes of a field. */
export const fieldHeader = (field: number, length: number): Buffer => Buffer.concat([varint((field << 3) | 2), varint(length)]);

/** Seven bits a byte, low ones first. */
export function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return Buffer.from(out);
}

export function float32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeFloatLE(value);
  return out;
}

function double(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(value);
  return out;
}
