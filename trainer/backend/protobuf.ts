/** The part of TensorFlow's protobuf messages that a loadable SavedModel needs, written by hand: graph.proto, attr_value.proto, tensor.proto. */
import { bytesField as bytes, float32, floatField, integerField as integer, textField as text, varint } from '../data/protobuf-fields.ts';
import { DTYPE } from './native.ts';

/** A node of a graph. Inputs are edges (`name` or `name:output`), controls are names; attributes are encoded AttrValues. */
export type NodeDef = {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly controls?: Iterable<string>;
  readonly attributes: ReadonlyMap<string, Buffer>;
};

/** A SavedModel of one MetaGraph tagged `serve`, without signatures, saver or init op. */
export function savedModel(nodes: readonly NodeDef[]): Buffer {
  const versions = bytes(4, integer(1, GRAPH_PRODUCER));
  const graph = Buffer.concat([...nodes.map((node) => bytes(1, nodeDef(node))), versions]);
  const metaGraph = Buffer.concat([bytes(1, text(4, 'serve')), bytes(2, graph)]);
  return Buffer.concat([integer(1, 1), bytes(2, metaGraph)]);
}

/** GraphDef version of TensorFlow 2.16 and later; it decides which attributes may be left out. */
const GRAPH_PRODUCER = 1882;

/** AttrValues by kind. */
export const attrValue = {
  type: (value: number): Buffer => integer(6, value),
  string: (value: string): Buffer => text(2, value),
  shape: (value: readonly number[]): Buffer => bytes(7, tensorShape(value)),
  tensor: (value: Buffer): Buffer => bytes(8, value),
  int: (value: number | readonly number[]): Buffer =>
    typeof value === 'number' ? integer(3, value) : bytes(1, bytes(3, Buffer.concat(value.map(varint)))),
  float: (value: number | readonly number[]): Buffer =>
    typeof value === 'number' ? floatField(4, value) : bytes(1, bytes(4, Buffer.concat(value.map(float32)))),
  bool: (value: boolean | readonly boolean[]): Buffer =>
    typeof value === 'boolean' ? integer(5, Number(value)) : bytes(1, bytes(5, Buffer.from(value.map(Number)))),
} as const;

/** A TensorProto. One whose elements are all equal is written as a single element, so that a large tensor of zeros takes no room. */
export function tensorProto(dtype: number, shape: readonly number[], content: Buffer): Buffer {
  const head = Buffer.concat([integer(1, dtype), bytes(2, tensorShape(shape))]);
  const splat = content.length > 64 && content.subarray(4).equals(content.subarray(0, -4));
  if (splat && dtype === DTYPE.float32) return Buffer.concat([head, bytes(5, content.subarray(0, 4))]);
  if (splat && dtype === DTYPE.int32) return Buffer.concat([head, bytes(7, varint(content.readInt32LE(0)))]);
  return Buffer.concat([head, bytes(4, content)]);
}

function nodeDef({ name, op, inputs, controls = [], attributes }: NodeDef): Buffer {
  return Buffer.concat([
    text(1, name),
    text(2, op),
    ...inputs.map((edge) => text(3, edge)),
    ...Array.from(controls, (control) => text(3, `^${control}`)),
    ...Array.from(attributes, ([key, value]) => bytes(5, Buffer.concat([text(1, key), bytes(2, value)]))),
  ]);
}

const tensorShape = (shape: readonly number[]): Buffer => Buffer.concat(shape.map((side) => bytes(2, integer(1, side))));
