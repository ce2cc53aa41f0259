/** Between the reference's images, always at full resolution and [N, C, H, W], and ours at the current one and [N, H, W, C]. */
import * as tf from '@tensorflow/tfjs';
import type { NetworkShape } from '../networks/weights.ts';
import { downscale2x, upscale2x } from '../ops/resample.ts';

/** The current resolution at a level of detail. */
export const resolutionAt = (shape: NetworkShape, lod: number): number => shape.resolution / 2 ** Math.floor(lod);

/** The feed `fade` of a level of detail between two levels, as a tensor of the caller's scope. */
export const fadeFeed = (lod: number): { readonly fade?: tf.Scalar } => (lod % 1 > 0 ? { fade: tf.scalar(lod % 1) } : {});

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
