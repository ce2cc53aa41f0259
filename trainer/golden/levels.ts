/** Between the reference's images, always at full resolution and [N, C, H, W], and ours at the current one and [N, H, W, C]. */
import * as tf from '@tensorflow/tfjs';
import type { Level } from '../networks/layers.ts';
import type { NetworkShape } from '../networks/weights.ts';
import { downscale2x, upscale2x } from '../ops/resample.ts';

/** The current resolution and the fade at a level of detail; the fade is a tensor of the caller's scope. */
export function levelOf(shape: NetworkShape, lod: number): Level {
  const resolution = shape.resolution / 2 ** Math.floor(lod);
  const fade = lod - Math.floor(lod);
  return fade > 0 ? { resolution, fade: tf.scalar(fade) } : { resolution };
}

/** [N, C, R, R] to [N, r, r, C] by box means. */
export function currentImages(images: tf.Tensor4D, resolution: number): tf.Tensor4D {
  let x = images.transpose<tf.Tensor4D>([0, 2, 3, 1]);
  while (x.shape[1] > resolution) x = downscale2x(x);
  return x;
}

/** [N, r, r, C] to [N, C, R, R] by repeating pixels. */
export function fullImages(images: tf.Tensor4D, resolution: number): tf.Tensor4D {
  let x = images;
  while (x.shape[1] < resolution) x = upscale2x(x);
  return x.transpose([0, 3, 1, 2]);
}
