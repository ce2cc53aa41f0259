/** Computes a tensor that gradients take for a constant. */
import * as tf from '@tensorflow/tfjs';

/** The value of `f`; nothing inside it is recorded or kept for a gradient, so its intermediates are freed at once. */
export function withoutGradient<T extends tf.Tensor>(f: () => T): T {
  return tf.customGrad(() => ({ value: f(), gradFunc: () => [] }))();
}
