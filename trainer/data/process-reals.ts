/** Real images on their way into the discriminator: range, mirror, and the fade-in of a new resolution (Karras et al. 2018, section 2). */
import * as tf from '@tensorflow/tfjs';

export type RealsOptions = {
  /** Scalar in [0, 1): the fraction of the level of detail; 0 shows the images as they are, 1 as the resolution below would. */
  readonly fade?: tf.Tensor | undefined;
  /** [N] or [N, 1, 1, 1] of 0 and 1 (float32): which images are mirrored left to right. */
  readonly mirror?: tf.Tensor | undefined;
};

/**
 * Images [N, R, R, C] with values 0..255 (float32) to [-1, 1], at their own resolution. Pure and without host reads: it runs inside the
 * traced step.
 */
export function processReals(images: tf.Tensor4D, options: RealsOptions = {}): tf.Tensor4D {
  return tf.tidy(() => {
    const inRange = images.mul<tf.Tensor4D>(2 / 255).sub<tf.Tensor4D>(1);
    const turned = options.mirror ? mirrored(inRange, options.mirror.reshape([-1, 1, 1, 1])) : inRange;
    return options.fade ? turned.add<tf.Tensor4D>(coarser(turned).sub(turned).mul(options.fade)) : turned;
  });
}

/** A blend whose factors are 0 and 1, and so exact: each image is itself or its mirror image, bit for bit. */
function mirrored(x: tf.Tensor4D, mirror: tf.Tensor): tf.Tensor4D {
  return x.mul(tf.sub(1, mirror)).add(tf.reverse4d(x, 2).mul(mirror));
}

/** Each 2x2 block replaced by its mean. */
function coarser(x: tf.Tensor4D): tf.Tensor4D {
  const [, height, width] = x.shape;
  return tf.image.resizeNearestNeighbor(tf.avgPool(x, 2, 2, 'valid'), [height, width]);
}
