/** The part of ONNX's protobuf messages that a model of float32 layers needs, written by hand: onnx.proto, IR version 8. */
import { bytesField, fieldHeader, floatField, integerField, textField, varint } from '../data/protobuf-fields.ts';
import type { Constant } from './layers.ts';

/** Read by onnxruntime since 1.12 and by every converter of today; IR version 8 belongs to it. */
const OPSET = 17;
const IR_VERSION = 8;

export type OnnxNode = {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers by default; those that are no whole numbers are floats. */
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
};
export type OnnxAttribute = string | number | readonly number[] | { readonly float: number };

/** Dimensions of an input or output: a number, or the name of one that varies. */
type OnnxValue = { readonly name: string; readonly shape: readonly (number | string)[] };
/** Constants in float32; whole numbers, such as shapes, are int64. */
export type OnnxConstant = { readonly name: string } & (Constant | { readonly integers: readonly number[] });

export type OnnxModel = {
  readonly name: string;
  readonly producer: { readonly name: string; readonly version: string };
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
};

/** The bytes of a model, in parts to be written one after the other: the constants are views, so that no weight is copied. */
export function onnxModel(model: OnnxModel): readonly Uint8Array[] {
  const graph = [
    ...model.nodes.map((node) => bytesField(1, nodeProto(node))),
    textField(2, model.name),
    ...model.constants.flatMap((constant) => message(5, tensorProto(constant))),
    ...model.inputs.map((value) => bytesField(11, valueInfo(value))),
    ...model.outputs.map((value) => bytesField(12, valueInfo(value))),
  ];
  return [
    integerField(1, IR_VERSION),
    textField(2, model.producer.name),
    textField(3, model.producer.version),
    textField(6, model.description),
    ...message(7, graph),
    bytesField(8, Buffer.concat([textField(1, ''), integerField(2, OPSET)])),
    ...Object.entries(model.metadata).map(([key, value]) => bytesField(14, Buffer.concat([textField(1, key), textField(2, value)]))),
  ];
}

function nodeProto({ op, name, inputs, outputs, attributes = {} }: OnnxNode): Buffer {
  return Buffer.concat([
    ...inputs.map((input) => textField(1, input)),
    ...outputs.map((output) => textField(2, output)),
    textField(3, name),
    textField(4, op),
    ...Object.entries(attributes).map(([key, value]) => bytesField(5, attributeProto(key, value))),
  ]);
}

function attributeProto(key: string, value: OnnxAttribute): Buffer {
  const name = textField(1, key);
  const [FLOAT, INT, STRING, INTS] = [1, 2, 3, 7];
  if (typeof value === 'number') return Buffer.concat([name, integerField(3, value), integerField(20, INT)]);
  if (typeof value === 'string') return Buffer.concat([name, textField(4, value), integerField(20, STRING)]);
  if ('float' in value) return Buffer.concat([name, floatField(2, value.float), integerField(20, FLOAT)]);
  return Buffer.concat([name, ...value.map((item) => integerField(8, item)), integerField(20, INTS)]);
}

function tensorProto(constant: OnnxConstant): readonly Uint8Array[] {
  const [FLOAT, INT64] = [1, 7];
  if ('integers' in constant) {
    const data = new Uint8Array(BigInt64Array.from(constant.integers, BigInt).buffer);
    const head = [bytesField(1, varint(constant.integers.length)), integerField(2, INT64), textField(8, constant.name)];
    return [...head, bytesField(9, data)];
  }
  const { shape, data, name } = constant;
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return [bytesField(1, Buffer.concat(shape.map(varint))), integerField(2, FLOAT), textField(8, name), fieldHeader(9, raw.byteLength), raw];
}

function valueInfo({ name, shape }: OnnxValue): Buffer {
  const FLOAT = 1;
  const dimensions = shape.map((side) => bytesField(1, typeof side === 'number' ? integerField(1, side) : textField(2, side)));
  const tensorType = Buffer.concat([integerField(1, FLOAT), bytesField(2, Buffer.concat(dimensions))]);
  return Buffer.concat([textField(1, name), bytesField(2, bytesField(1, tensorType))]);
}

/** A message within a message, without joining its parts. */
function message(field: number, parts: readonly Uint8Array[]): readonly Uint8Array[] {
  return [
    fieldHeader(
      field,
      parts.reduce((sum, part) => sum + part.byteLength, 0),
    ),
    ...parts,
  ];
}
