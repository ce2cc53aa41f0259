/** What the layers of both networks share: weights made ready for one resolution, convolution and dense layers, blending, axes. */
import * as tf from '@tensorflow/tfjs';
import { fuseDownscale, fuseUpscale } from '../ops/fused-kernels.ts';
import { compute } from '../ops/precision.ts';
import { usedWeights, type Weights, type WeightSpec } from './weights.ts';

/** Where a network is evaluated: the current resolution and, while it fades in, the share of the previous one. */
export type Level = { readonly resolution: number; readonly fade?: tf.Scalar };

/**
 * The weights that a level uses as its layers take them: scaled (equalised learning rate), fused with the up- or downscaling that follows,
 * in the precision of their block. Made once and shared by every evaluation inside one step.
 */
export function prepareWeights(specs: readonly WeightSpec[], weights: Weights, level: Level): Weights {
  const used = new Set(usedWeights(specs, level.resolution, level.fade !== undefined));
  const prepared = new Map(specs.filter((spec) => used.has(spec.name)).map((spec) => [spec.name, prepare(spec, weights(spec.name))]));
  return (name) => {
    const weight = prepared.get(name);
    if (!weight) throw new Error(`no layer ${name} at ${level.resolution}x${level.resolution}`);
    return weight;
  };
}

/** A convolution of stride 1 that keeps the size: x [N, H, W, in] -> [N, H, W, out]. */
export const convolve = (x: tf.Tensor4D, kernel: tf.Tensor): tf.Tensor4D => tf.conv2d(x, kernel as tf.Tensor4D, 1, 'same');

/** Upscales twice and convolves, in one: x [N, H, W, in] -> [N, 2H, 2W, out], with a kernel [4, 4, out, in]. */
export function convolveUp(x: tf.Tensor4D, kernel: tf.Tensor): tf.Tensor4D {
  const [n, height, width] = x.shape;
  const out = (kernel as tf.Tensor4D).shape[2];
  return tf.conv2dTranspose(x, kernel as tf.Tensor4D, [n, 2 * height, 2 * width, out], 2, 'same');
}

/** Convolves and halves, in one: x [N, 2H, 2W, in] -> [N, H, W, out], with a kernel [4, 4, in, out]. */
export const convolveDown = (x: tf.Tensor4D, kernel: tf.Tensor): tf.Tensor4D => tf.conv2d(x, kernel as tf.Tensor4D, 2, 'same');

/** x [N, in] times weights [in, out]. */
export const dense = (x: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D => tf.matMul(x, weight);

/** `from` where fade is 0, `to` where it is 1. */
export const blend = (from: tf.Tensor4D, to: tf.Tensor4D, fade: tf.Scalar): tf.Tensor4D =>
  tf.add(tf.mul(from, tf.sub(1, fade)), tf.mul(to, fade));

/** Features [N, C * 4 * 4], flattened C, H, W as the reference stores them, as images [N, 4, 4, C]. */
export const unflatten = (x: tf.Tensor2D, channels: number): tf.Tensor4D => x.reshape([-1, channels, 4, 4]).transpose([0, 2, 3, 1]);

/** Images [N, 4, 4, C] as features [N, C * 4 * 4], flattened C, H, W. */
export const flatten = (x: tf.Tensor4D): tf.Tensor2D => x.transpose([0, 3, 1, 2]).reshape([x.shape[0], -1]);

/** 'ToRGB_lod2': the layer between features and images of `resolution`, in a network that ends at `finalResolution`. */
export const rgbLayer = (prefix: 'ToRGB' | 'FromRGB', finalResolution: number, resolution: number): string =>
  `${prefix}_lod${Math.log2(finalResolution) - Math.log2(resolution)}`;

/** Resolutions of the blocks above 4x4, up to `resolution`. */
export const resolutionsAbove4 = (resolution: number): readonly number[] =>
  Array.from({ length: Math.log2(resolution) - 2 }, (_, index) => 8 * 2 ** index);

function prepare(spec: WeightSpec, stored: tf.Tensor): tf.Tensor {
  return compute(scaled(spec, stored), spec.resolution);
}

function scaled(spec: WeightSpec, stored: tf.Tensor): tf.Tensor {
  if (spec.name.endsWith('/Conv0_up/weight')) return fuseUpscale(stored as tf.Tensor4D, spec.scale);
  if (spec.name.endsWith('/Conv1_down/weight')) return fuseDownscale(stored as tf.Tensor4D, spec.scale);
  return spec.scale === 1 ? stored : tf.mul(stored, spec.scale);
}
