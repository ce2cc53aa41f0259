/** The discriminator of PG-GAN (Karras et al. 2018, table 2): images of any resolution up to its final one to scores. */
import * as tf from '@tensorflow/tfjs';
import { biasAdd } from '../ops/bias-add.ts';
import { leakyRelu } from '../ops/leaky-relu.ts';
import { appendMinibatchStddev } from '../ops/minibatch-stddev.ts';
import { compute, full } from '../ops/precision.ts';
import { downscale2x } from '../ops/resample.ts';
import { blend, convolve, convolveDown, dense, flatten, type Level, prepareWeights, resolutionsAbove4, rgbLayer } from './layers.ts';
import { discriminatorWeights, type NetworkShape, usesMinibatchStddev, type Weights } from './weights.ts';

/** `scores` [N, 1]; `labels` [N, labelSize] are logits, present when the network has labels. */
export type Judgement = { readonly scores: tf.Tensor2D; readonly labels?: tf.Tensor2D };

/** Scores images [N, r, r, channels] of the current resolution r. `fade` is the weight of the image at half that resolution. */
export function discriminator(shape: NetworkShape, weights: Weights, images: tf.Tensor4D, level: Level): Judgement {
  return prepareDiscriminator(shape, weights, level)(images);
}

/** The discriminator with its weights made ready once, for a step that evaluates it several times. Samples of a call share statistics. */
export function prepareDiscriminator(shape: NetworkShape, weights: Weights, level: Level): (images: tf.Tensor4D) => Judgement {
  const weight = prepareWeights(discriminatorWeights(shape), weights, level);
  return (images) => judge(shape, weight, images, level);
}

function judge(shape: NetworkShape, weight: Weights, images: tf.Tensor4D, { resolution, fade }: Level): Judgement {
  const activate = <T extends tf.Tensor>(layer: string, y: T): T => leakyRelu(biasAdd(y, weight(`${layer}/bias`)));
  const fromRgb = (pictures: tf.Tensor4D, at: number): tf.Tensor4D => {
    const layer = rgbLayer('FromRGB', shape.resolution, at);
    return activate(layer, convolve(compute(pictures, at), weight(`${layer}/weight`)));
  };

  let x = fromRgb(images, resolution);
  for (const at of resolutionsAbove4(resolution).toReversed()) {
    const features = x;
    x = tf.tidy(() => downscalingBlock(shape, weight, activate, features, at));
    if (at === resolution && fade !== undefined) x = blend(x, compute(fromRgb(downscale2x(images), at / 2), at), fade);
  }
  return lastBlock(shape, weight, activate, full(x));
}

type Activate = <T extends tf.Tensor>(layer: string, y: T) => T;

/** From features of `at` to features of at / 2. */
function downscalingBlock(shape: NetworkShape, weight: Weights, activate: Activate, x: tf.Tensor4D, at: number): tf.Tensor4D {
  const name = `${at}x${at}`;
  const y = activate(`${name}/Conv0`, convolve(x, weight(`${name}/Conv0/weight`)));
  return shape.fusedScale
    ? activate(`${name}/Conv1_down`, convolveDown(y, weight(`${name}/Conv1_down/weight`)))
    : downscale2x(activate(`${name}/Conv1`, convolve(y, weight(`${name}/Conv1/weight`))));
}

/** From 4x4 features to scores and label logits. */
function lastBlock(shape: NetworkShape, weight: Weights, activate: Activate, x: tf.Tensor4D): Judgement {
  const varied = usesMinibatchStddev(shape) ? appendMinibatchStddev(x, shape.mbstdGroupSize) : x;
  const features = flatten(activate('4x4/Conv', convolve(varied, weight('4x4/Conv/weight'))));
  const hidden = activate('4x4/Dense0', dense(features, weight('4x4/Dense0/weight')));
  const out = biasAdd(dense(hidden, weight('4x4/Dense1/weight')), weight('4x4/Dense1/bias'));
  if (shape.labelSize === 0) return { scores: out };
  return { scores: tf.slice(out, [0, 0], [-1, 1]), labels: tf.slice(out, [0, 1], [-1, shape.labelSize]) };
}
