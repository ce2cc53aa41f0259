/** bfloat16 tensors on the native backend. */
import type * as tf from '@tensorflow/tfjs';

export const toBFloat16 = <T extends tf.Tensor>(x: T): T => x;
export const fromBFloat16 = <T extends tf.Tensor>(x: T): T => x;
