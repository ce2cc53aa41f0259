/** The generator as an ONNX model: `latents` [N, F] (and `labels` [N, L]) to `images` [N, C, H, W]. */
import { transposed } from './kernels.ts';
import type { Constant, GeneratorLayers, Layer } from './layers.ts';
import { type OnnxAttribute, type OnnxConstant, onnxModel, type OnnxNode } from './onnx-model.ts';

export type OnnxOptions = {
  readonly version: string;
  readonly description: string;
  /** Shown by viewers, read by `get_modelmeta`. */
  readonly metadata: Readonly<Record<string, string>>;
};

/** The bytes of the model, in parts to be written one after the other. */
export function onnxGenerator(generator: GeneratorLayers, { version, description, metadata }: OnnxOptions): readonly Uint8Array[] {
  const nodes: OnnxNode[] = [];
  const constants: OnnxConstant[] = [];
  const into: Target = {
    node(op, name, inputs, attributes = {}) {
      nodes.push({ op, name, inputs, outputs: [name], attributes });
      return name;
    },
    constant(name, value) {
      constants.push({ name, ...('integers' in value ? { integers: value.integers } : { shape: value.shape, data: value.data }) });
      return name;
    },
  };
  for (const layer of generator.layers) translate(layer, into);
  into.node('Identity', 'images', [generator.output]);
  const { resolution, channels, inputs } = generator;
  return onnxModel({
    name: 'pggan-generator',
    producer: { name: 'pggan-operator', version },
    description,
    metadata,
    nodes,
    constants,
    inputs: Object.entries(inputs).map(([name, features]) => ({ name, shape: ['N', features] })),
    outputs: [{ name: 'images', shape: ['N', channels, resolution, resolution] }],
  });
}

/** Collects nodes and constants; both calls return the name by which others refer to the result. */
type Target = {
  readonly node: (op: string, name: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>) => string;
  readonly constant: (name: string, value: Constant | { readonly integers: readonly number[] }) => string;
};

/** Adds the nodes of one layer; the last bears the layer's name. Features are axis 1 throughout. */
function translate(layer: Layer, { node, constant }: Target): void {
  const { name, from } = layer;
  const [x = '', y = ''] = from;
  const scalar = (suffix: string, value: number): string => constant(`${name}/${suffix}`, { shape: [], data: Float32Array.of(value) });
  switch (layer.kind) {
    case 'concatenate':
      node('Concat', name, from, { axis: 1 });
      return;
    case 'normalize': {
      const mean = node('ReduceMean', `${name}/mean`, [node('Mul', `${name}/square`, [x, x])], { axes: [1], keepdims: 1 });
      node('Div', name, [x, node('Sqrt', `${name}/root`, [node('Add', `${name}/sum`, [mean, scalar('epsilon', layer.epsilon)])])]);
      return;
    }
    case 'dense':
      node('Gemm', name, [x, constant(`${name}/weight`, layer.kernel), constant(`${name}/bias`, layer.bias)]);
      return;
    case 'unflatten':
      node('Reshape', name, [x, constant(`${name}/shape`, { integers: [-1, layer.channels, 4, 4] })]);
      return;
    case 'convolve': {
      const side = layer.kernel.shape[0] ?? 1;
      const kernel = constant(`${name}/weight`, transposed(layer.kernel, [3, 2, 0, 1]));
      const pad = (side - 1) / 2;
      node('Conv', name, [x, kernel, constant(`${name}/bias`, layer.bias)], { kernel_shape: [side, side], pads: [pad, pad, pad, pad] });
      return;
    }
    case 'convolveUp': {
      const kernel = constant(`${name}/weight`, transposed(layer.kernel, [3, 2, 0, 1]));
      const attributes = { kernel_shape: [4, 4], strides: [2, 2], pads: [1, 1, 1, 1] };
      node('ConvTranspose', name, [x, kernel, constant(`${name}/bias`, layer.bias)], attributes);
      return;
    }
    case 'upscale': {
      const scales = constant(`${name}/scales`, { shape: [4], data: Float32Array.of(1, 1, 2, 2) });
      const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
      node('Resize', name, [x, '', scales], attributes);
      return;
    }
    case 'rectify':
      if (layer.slope === 0) node('Relu', name, [x]);
      else node('LeakyRelu', name, [x], { alpha: { float: layer.slope } });
      return;
    case 'blend':
      node('Add', name, [
        node('Mul', `${name}/from`, [x, scalar('from_share', 1 - layer.fade)]),
        node('Mul', `${name}/to`, [y, scalar('to_share', layer.fade)]),
      ]);
      return;
  }
}
