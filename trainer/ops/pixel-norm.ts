/** Pixelwise feature normalisation (Karras et al. 2018, section 4.2). */
import * as tf from '@tensorflow/tfjs';
import { floatType, hasNativeOps, nativeOp } from './native-op.ts';
import { withoutGradient } from './without-gradient.ts';

/**
 * x / sqrt(mean of x^2 over the last axis + epsilon), for [N, F] and [N, H, W, C]. Only the generator uses it, which no second derivative
 * passes through: on the native backend asking for one throws.
 */
export function pixelNorm<T extends tf.Tensor>(x: T, epsilon: number): T {
  const factor = (): tf.Tensor => tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
  return (hasNativeOps() ? normalize({ x, factor: withoutGradient(factor) }) : tf.mul(x, factor())) as T;
}

// y = x f(x) as one op, so that its gradient is five passes over the tensor instead of tfjs's nine.
const normalize = nativeOp<'x' | 'factor'>({
  name: 'PgganPixelNorm',
  run: (backend, { x, factor }) => backend.executeSingleOutput('Mul', [floatType()], [x, factor]),
  saveInputs: ['x', 'factor'],
  gradient: (dy, [x, factor]) => ({ x: () => normalizeGradient({ dy, x: x!, factor: factor! }) }),
});

// dx = f (dy - x f^2 mean(x dy)). Without a gradient of its own, so that a second derivative is refused instead of wrong.
const normalizeGradient = nativeOp<'dy' | 'x' | 'factor'>({
  name: 'PgganPixelNormGrad',
  run: (_backend, { dy, x, factor }) =>
    tf.tidy(() => {
      const along = tf.mul(tf.square(factor), tf.mean(tf.mul(dy, x), -1, true));
      return tf.mul(factor, tf.sub(dy, tf.mul(x, along)));
    }),
});
