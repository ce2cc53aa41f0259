/** Where mixed precision is decided: which tensors are bfloat16, and where they become float32 again. */
import type * as tf from '@tensorflow/tfjs';
import type { Precision } from '../../crds/run.ts';
import { fromBFloat16, toBFloat16 } from '../backend/bf16.ts';

let precision: Precision = 'Float32';

/** Computes `f` in a precision; networks inside it ask by `compute` and `full`. */
export function withPrecision<T>(wanted: Precision, f: () => T): T {
  const before = precision;
  precision = wanted;
  try {
    return f();
  } finally {
    precision = before;
  }
}

/** `x` as convolutions of a block of this resolution take it: bfloat16 above 4x4 in mixed precision, float32 otherwise. */
export function compute<T extends tf.Tensor>(x: T, resolution: number): T {
  return precision === 'BFloat16Mixed' && resolution > 4 ? toBFloat16(x) : x;
}

/** `x` in float32: for minibatch statistics, images, scores, losses and gradient norms. */
export const full = <T extends tf.Tensor>(x: T): T => fromBFloat16(x);
