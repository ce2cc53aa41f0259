/** 4x4 kernels that fold a nearest-neighbour upscale or a box downscale into a stride-2 convolution with a 3x3 kernel. */
import * as tf from '@tensorflow/tfjs';

/**
 * The sum of the four copies of a kernel [3, 3, A, B] shifted by 0 or 1 in each direction, times `scale`: [4, 4, A, B]. A transposed
 * convolution of stride 2 with it equals upscaling and then convolving with the 3x3 kernel turned by 180 degrees.
 */
export const fuseUpscale = (kernel: tf.Tensor4D, scale: number): tf.Tensor4D => sumOfShifts(kernel, scale);

/** As for upscaling, but the mean of the four: a convolution of stride 2 with it equals convolving, then averaging 2x2 blocks. */
export const fuseDownscale = (kernel: tf.Tensor4D, scale: number): tf.Tensor4D => sumOfShifts(kernel, scale / 4);

// One product with a constant 16x9 matrix. Pads and slices do the same, but the gradients of the slices cost a fifth of a step at 8x8.
function sumOfShifts(kernel: tf.Tensor4D, scale: number): tf.Tensor4D {
  const [, , a, b] = kernel.shape;
  const shifts = tf.tensor2d(shiftMatrix(scale), [16, 9]);
  return tf.matMul(shifts, kernel.reshape([9, a * b])).reshape([4, 4, a, b]);
}

/** Element ((y, x), (i, j)) is `scale` where tap (i, j) of the 3x3 kernel contributes to tap (y, x) of the 4x4 one. */
function shiftMatrix(scale: number): Float32Array {
  const matrix = new Float32Array(16 * 9);
  for (const i of [0, 1, 2])
    for (const j of [0, 1, 2]) for (const dy of [0, 1]) for (const dx of [0, 1]) matrix[((i + dy) * 4 + (j + dx)) * 9 + i * 3 + j] = scale;
  return matrix;
}
