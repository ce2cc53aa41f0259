import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { assertClose, assertSameDerivatives, numbers } from './derivatives.ts';
import { fuseDownscale, fuseUpscale } from './fused-kernels.ts';
import { downscale2x, upscale2x } from './resample.ts';

const shifted = (kernel: tf.Tensor, dy: number, dx: number): tf.Tensor =>
  tf.pad(kernel as tf.Tensor4D, [
    [dy, 1 - dy],
    [dx, 1 - dx],
    [0, 0],
    [0, 0],
  ]);
const definition = (kernel: tf.Tensor): tf.Tensor =>
  tf.mul(tf.add(tf.add(shifted(kernel, 0, 0), shifted(kernel, 0, 1)), tf.add(shifted(kernel, 1, 0), shifted(kernel, 1, 1))), 0.7);

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('the fused kernel is the sum of four shifted copies of the kernel, with the derivatives of pads and sums', () => {
  assertSameDerivatives(
    (kernel) => fuseUpscale(kernel as tf.Tensor4D, 0.7),
    (kernel) => definition(kernel),
    [numbers([3, 3, 2, 4])],
  );
});

test('a transposed convolution with the fused kernel equals upscaling and convolving with the kernel turned by 180 degrees', () => {
  const x = numbers([2, 4, 4, 3]) as tf.Tensor4D;
  const kernel = numbers([3, 3, 5, 3], 2) as tf.Tensor4D;
  const turned = tf.reverse(kernel, [0, 1]).transpose<tf.Tensor4D>([0, 1, 3, 2]);
  assertClose(tf.conv2dTranspose(x, fuseUpscale(kernel, 1), [2, 8, 8, 5], 2, 'same'), tf.conv2d(upscale2x(x), turned, 1, 'same'), 'images');
});

test('a convolution of stride 2 with the fused kernel equals convolving and halving', () => {
  const x = numbers([2, 8, 8, 3]) as tf.Tensor4D;
  const kernel = numbers([3, 3, 3, 5], 2) as tf.Tensor4D;
  assertClose(tf.conv2d(x, fuseDownscale(kernel, 1), 2, 'same'), downscale2x(tf.conv2d(x, kernel, 1, 'same')), 'images');
});
