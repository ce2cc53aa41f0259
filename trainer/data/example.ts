/** One image as a tf.train.Example: feature `data` (raw uint8, C,H,W) and then `shape` (int64[3]), in protocol buffer wire format. */
import { bytesField, fieldHeader, textField, varint } from './protobuf-fields.ts';

/** Channels, height, width. */
export type Shape = readonly [channels: number, height: number, width: number];

/** The bytes of an Example around its pixels; all images of one shape share it. */
export type ExampleFrame = { readonly head: Uint8Array; readonly tail: Uint8Array };

/** What stands before and after the pixels of an image of this shape. */
export function exampleFrame(shape: Shape): ExampleFrame {
  const size = shape[0] * shape[1] * shape[2];
  const integers = bytesField(3, bytesField(1, Buffer.concat(shape.map(varint))));
  const tail = bytesField(1, Buffer.concat([textField(1, 'shape'), bytesField(2, integers)]));
  let head = Buffer.alloc(0);
  // Wrapped from the inside out: bytes_list.value, Feature.bytes_list, map value.
  for (const field of [1, 1, 2]) head = Buffer.concat([fieldHeader(field, head.length + size), head]);
  const key = textField(1, 'data');
  head = Buffer.concat([fieldHeader(1, key.length + head.length + size), key, head]);
  head = Buffer.concat([fieldHeader(1, head.length + size + tail.length), head]);
  return { head, tail };
}

export type Example = { readonly shape: Shape; readonly data: Uint8Array };

/** Reads the Example in `bytes`, whatever the order of its features; `data` is a view. @throws Error that says what is wrong. */
export function parseExample(bytes: Uint8Array): Example {
  const features = new Map<string, Uint8Array>();
  for (const message of submessages(bytes, 1)) {
    for (const entry of submessages(message, 1)) {
      const [key] = submessages(entry, 1);
      const [value] = submessages(entry, 2);
      if (key && value) features.set(Buffer.from(key).toString('latin1'), value);
    }
  }
  const data = list(features.get('data'), 1)[0];
  if (!data) throw new Error("no feature 'data' of bytes");
  const shape = integers(features.get('shape'));
  const [channels = 0, height = 0, width = 0] = shape;
  if (shape.length !== 3) throw new Error("no feature 'shape' of three integers");
  if (channels * height * width !== data.length) throw new Error(`shape [${shape.join(', ')}] does not fit ${data.length} bytes of data`);
  return { shape: [channels, height, width], data };
}

type Field = { readonly number: number; readonly value: number; readonly bytes?: Uint8Array };

/** The fields of a message: integers and length-delimited ones; nothing else occurs in an image's Example. */
function fieldsOf(bytes: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const integer = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 49) throw new Error('the message is cut short or no Example');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = integer();
    const wireType = tag % 8;
    const value = integer();
    const number = Math.floor(tag / 8);
    if (wireType === 0) fields.push({ number, value });
    else if (wireType === 2 && at + value <= bytes.length) fields.push({ number, value, bytes: bytes.subarray(at, (at += value)) });
    else throw new Error('the message is no Example');
  }
  return fields;
}

const submessages = (bytes: Uint8Array, number: number): readonly Uint8Array[] =>
  fieldsOf(bytes).flatMap((field) => (field.number === number && field.bytes ? [field.bytes] : []));

const list = (feature: Uint8Array | undefined, kind: number): readonly Uint8Array[] =>
  feature ? submessages(feature, kind).flatMap((values) => submessages(values, 1)) : [];

/** The values of an int64_list, packed or not. */
function integers(feature: Uint8Array | undefined): readonly number[] {
  const fields = feature ? submessages(feature, 3).flatMap(fieldsOf) : [];
  return fields.flatMap((field) => (field.bytes ? packed(field.bytes) : [field.value]));
}

function packed(bytes: Uint8Array): readonly number[] {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      values.push(value);
      value = 0;
      scale = 1;
    }
  }
  return values;
}
