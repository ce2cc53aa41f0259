/** The generator of PG-GAN (Karras et al. 2018, table 2): latents to images, at any resolution up to its final one. */
import * as tf from '@tensorflow/tfjs';
import { featureMaps } from '../../crds/cost.ts';
import { biasAdd } from '../ops/bias-add.ts';
import { leakyRelu } from '../ops/leaky-relu.ts';
import { pixelNorm } from '../ops/pixel-norm.ts';
import { compute, full } from '../ops/precision.ts';
import { upscale2x } from '../ops/resample.ts';
import { blend, convolve, convolveUp, dense, type Level, prepareWeights, resolutionsAbove4, rgbLayer, unflatten } from './layers.ts';
import { generatorWeights, type NetworkShape, type Weights } from './weights.ts';

/** `latents` [N, latentSize], `labels` [N, labelSize] exactly when the network has labels. */
export type GeneratorInput = Level & { readonly latents: tf.Tensor2D; readonly labels?: tf.Tensor2D };

/**
 * Images [N, resolution, resolution, channels] at the current resolution, float32, about [-1, 1] and not clipped. `fade` is the weight of
 * the upscaled images of half that resolution (0: none), left out when nothing fades in.
 */
export function generator(shape: NetworkShape, weights: Weights, input: GeneratorInput): tf.Tensor4D {
  return tf.tidy(() => {
    const { resolution, fade } = input;
    const weight = prepareWeights(generatorWeights(shape), weights, input);
    const activate = <T extends tf.Tensor>(layer: string, y: T): T => activation(shape, biasAdd(y, weight(`${layer}/bias`)));
    const toRgb = (x: tf.Tensor4D, at: number): tf.Tensor4D => {
      const layer = rgbLayer('ToRGB', shape.resolution, at);
      return full(biasAdd(convolve(x, weight(`${layer}/weight`)), weight(`${layer}/bias`)));
    };

    let x = tf.tidy(() => {
      const features = dense(latentVector(shape, input), weight('4x4/Dense/weight'));
      const start = activate('4x4/Dense', unflatten(features, featureMaps(shape, 1)));
      return activate('4x4/Conv', convolve(start, weight('4x4/Conv/weight')));
    });
    let previous = x;
    for (const at of resolutionsAbove4(resolution)) {
      previous = x;
      x = tf.tidy(() => upscalingBlock(shape, weight, activate, compute(previous, at), at));
    }
    const images = toRgb(x, resolution);
    return fade === undefined ? images : blend(images, upscale2x(toRgb(previous, resolution / 2)), fade);
  });
}

function latentVector(shape: NetworkShape, { latents, labels }: GeneratorInput): tf.Tensor2D {
  const combined = labels === undefined ? latents : tf.concat([latents, labels], 1);
  return shape.normalizeLatents ? pixelNorm(combined, shape.pixelnormEpsilon) : combined;
}

function activation<T extends tf.Tensor>(shape: NetworkShape, x: T): T {
  const y = shape.useLeakyRelu ? leakyRelu(x) : tf.relu(x);
  return shape.usePixelnorm ? pixelNorm(y, shape.pixelnormEpsilon) : y;
}

type Activate = (layer: string, y: tf.Tensor4D) => tf.Tensor4D;

/** From features of at / 2 to features of `at`. */
function upscalingBlock(shape: NetworkShape, weight: Weights, activate: Activate, x: tf.Tensor4D, at: number): tf.Tensor4D {
  const name = `${at}x${at}`;
  const upscaled = shape.fusedScale
    ? activate(`${name}/Conv0_up`, convolveUp(x, weight(`${name}/Conv0_up/weight`)))
    : activate(`${name}/Conv0`, convolve(upscale2x(x), weight(`${name}/Conv0/weight`)));
  return activate(`${name}/Conv1`, convolve(upscaled, weight(`${name}/Conv1/weight`)));
}
