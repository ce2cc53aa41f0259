/** The generator as a graph model that `tf.loadGraphModel` reads: `latents` [N, F] (and `labels` [N, L]) to `images` [N, H, W, C]. */
import type { Constant, GeneratorLayers, Layer } from './layers.ts';

/** Files of a browser model by name, each in parts to be written one after the other. */
export type ModelFiles = ReadonlyMap<string, readonly Uint8Array[]>;

export type TfjsOptions = {
  readonly version: string;
  /** Kept by the loaded model as `metadata`. */
  readonly metadata: Readonly<Record<string, string>>;
};

/** As TensorFlow.js's own converter cuts weights, so that browsers cache them. */
const SHARD_BYTES = 4 * 1024 * 1024;
/** GraphDef version of TensorFlow 2.16 and later. */
const GRAPH_PRODUCER = 1882;

export function tfjsGenerator(generator: GeneratorLayers, { version, metadata }: TfjsOptions): ModelFiles {
  const nodes: GraphNode[] = [];
  const constants: (Weights & { readonly name: string })[] = [];
  const into: Target = {
    node(op, name, input, attr) {
      nodes.push({ name, op, input, attr });
      return name;
    },
    constant(name, weights) {
      nodes.push({ name, op: 'Const', input: [], attr: { dtype: 'integers' in weights ? INT : FLOAT } });
      constants.push({ name, ...weights });
      return name;
    },
  };
  const { inputs, resolution, channels } = generator;
  for (const [name, features] of Object.entries(inputs)) {
    into.node('Placeholder', name, [], { dtype: FLOAT, shape: { shape: tensorShape([-1, features]) } });
  }
  const count = batchSize(into);
  for (const layer of generator.layers) translate(layer, into, count);
  into.node('Identity', 'images', [generator.output], { T: FLOAT });

  const bytes = constants.map(bytesOf);
  const shards = cut(bytes, SHARD_BYTES);
  const shardName = (index: number): string => `group1-shard${index + 1}of${shards.length}.bin`;
  const model = {
    format: 'graph-model',
    generatedBy: `pggan-operator ${version}`,
    convertedBy: null,
    signature: {
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, features]) => [name, tensorInfo(name, [-1, features])])),
      outputs: { images: tensorInfo('images', [-1, resolution, resolution, channels]) },
    },
    userDefinedMetadata: metadata,
    modelTopology: { node: nodes, library: {}, versions: { producer: GRAPH_PRODUCER } },
    weightsManifest: [
      {
        paths: shards.map((_, index) => shardName(index)),
        weights: constants.map((constant) => ({
          name: constant.name,
          shape: shapeOf(constant),
          dtype: 'integers' in constant ? 'int32' : 'float32',
        })),
      },
    ],
  };
  return new Map([
    ['model.json', [Buffer.from(JSON.stringify(model))]],
    ...shards.map((parts, index) => [shardName(index), parts] as const),
  ]);
}

/** A NodeDef as protobuf's JSON mapping has it: int64 are strings, bytes are base64. */
type GraphNode = { readonly name: string; readonly op: string; readonly input: readonly string[]; readonly attr: Attributes };
type Attributes = Readonly<Record<string, unknown>>;
type Weights = Constant | { readonly integers: readonly number[] };

/** Collects nodes and constants; both calls return the name by which others refer to the result. */
type Target = {
  readonly node: (op: string, name: string, input: readonly string[], attr: Attributes) => string;
  readonly constant: (name: string, weights: Weights) => string;
};

const FLOAT = { type: 'DT_FLOAT' };
const INT = { type: 'DT_INT32' };
const text = (value: string) => ({ s: Buffer.from(value).toString('base64') });
const whole = (value: number) => ({ i: String(value) });
const list = (...values: readonly number[]) => ({ list: { i: values.map(String) } });
const tensorShape = (shape: readonly number[]) => ({ dim: shape.map((side) => ({ size: String(side) })) });
const tensorInfo = (name: string, shape: readonly number[]) => ({ name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: tensorShape(shape) });
const window = (stride: number) => ({
  T: FLOAT,
  strides: list(1, stride, stride, 1),
  dilations: list(1, 1, 1, 1),
  padding: text('SAME'),
  data_format: text('NHWC'),
});

/** N as a vector of one, which transposed convolutions and nothing else need to know. */
function batchSize({ node, constant }: Target): string {
  const shape = node('Shape', 'batch/shape', ['latents'], { T: FLOAT, out_type: INT });
  const [begin, end, step] = [0, 1, 1].map((value, i) => constant(`batch/${['begin', 'end', 'step'][i]}`, { integers: [value] }));
  const masks = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].map((mask) => [mask, whole(0)] as const);
  return node('StridedSlice', 'batch/size', [shape, begin ?? '', end ?? '', step ?? ''], {
    T: INT,
    Index: INT,
    ...Object.fromEntries(masks),
  });
}

/** Adds the nodes of one layer; the last bears the layer's name. Features are the last axis throughout. */
function translate(layer: Layer, { node, constant }: Target, count: string): void {
  const { name, from } = layer;
  const [x = '', y = ''] = from;
  const scalar = (suffix: string, value: number): string => constant(`${name}/${suffix}`, { shape: [], data: Float32Array.of(value) });
  const integers = (suffix: string, ...values: readonly number[]): string => constant(`${name}/${suffix}`, { integers: values });
  const binary = (op: string, suffix: string, a: string, b: string): string =>
    node(op, suffix === '' ? name : `${name}/${suffix}`, [a, b], { T: FLOAT });
  const biased = (sum: string, bias: Constant): string =>
    node('BiasAdd', name, [sum, constant(`${name}/bias`, bias)], { T: FLOAT, data_format: text('NHWC') });
  switch (layer.kind) {
    case 'concatenate':
      node('ConcatV2', name, [...from, integers('axis', 1)], { N: whole(from.length), T: FLOAT, Tidx: INT });
      return;
    case 'normalize': {
      const square = binary('Mul', 'square', x, x);
      const mean = node('Mean', `${name}/mean`, [square, integers('axes', -1)], { T: FLOAT, Tidx: INT, keep_dims: { b: true } });
      binary('Mul', '', x, node('Rsqrt', `${name}/factor`, [binary('AddV2', 'sum', mean, scalar('epsilon', layer.epsilon))], { T: FLOAT }));
      return;
    }
    case 'dense': {
      const kernel = constant(`${name}/weight`, layer.kernel);
      biased(
        node('MatMul', `${name}/product`, [x, kernel], { T: FLOAT, transpose_a: { b: false }, transpose_b: { b: false } }),
        layer.bias,
      );
      return;
    }
    case 'unflatten': {
      const images = node('Reshape', `${name}/channels_first`, [x, integers('shape', -1, layer.channels, 4, 4)], { T: FLOAT, Tshape: INT });
      node('Transpose', name, [images, integers('order', 0, 2, 3, 1)], { T: FLOAT, Tperm: INT });
      return;
    }
    case 'convolve':
      biased(node('Conv2D', `${name}/sum`, [x, constant(`${name}/weight`, layer.kernel)], window(1)), layer.bias);
      return;
    case 'convolveUp': {
      const { resolution, kernel } = layer;
      const image = integers('image', resolution, resolution, kernel.shape[2] ?? 0);
      const shape = node('ConcatV2', `${name}/shape`, [count, image, integers('axis', 0)], { N: whole(2), T: INT, Tidx: INT });
      biased(node('Conv2DBackpropInput', `${name}/sum`, [shape, constant(`${name}/weight`, kernel), x], window(2)), layer.bias);
      return;
    }
    case 'upscale': {
      const flags = { align_corners: { b: false }, half_pixel_centers: { b: false } };
      node('ResizeNearestNeighbor', name, [x, integers('size', layer.resolution, layer.resolution)], { T: FLOAT, ...flags });
      return;
    }
    case 'rectify':
      if (layer.slope === 0) node('Relu', name, [x], { T: FLOAT });
      else node('LeakyRelu', name, [x], { T: FLOAT, alpha: { f: layer.slope } });
      return;
    case 'blend':
      binary(
        'AddV2',
        '',
        binary('Mul', 'from', x, scalar('from_share', 1 - layer.fade)),
        binary('Mul', 'to', y, scalar('to_share', layer.fade)),
      );
      return;
  }
}

const shapeOf = (weights: Weights): readonly number[] => ('integers' in weights ? [weights.integers.length] : weights.shape);

function bytesOf(weights: Weights): Uint8Array {
  const data = 'integers' in weights ? Int32Array.from(weights.integers) : weights.data;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The bytes of all parts, one after another, cut into pieces of `size`; views, so that no weight is copied. */
function cut(parts: readonly Uint8Array[], size: number): readonly (readonly Uint8Array[])[] {
  const pieces: Uint8Array[][] = [];
  let room = 0;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; ) {
      if (room === 0) {
        pieces.push([]);
        room = size;
      }
      const taken = part.subarray(at, at + room);
      pieces.at(-1)?.push(taken);
      at += taken.byteLength;
      room -= taken.byteLength;
    }
  }
  return pieces;
}
