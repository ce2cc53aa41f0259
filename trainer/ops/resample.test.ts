import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { assertSameDerivatives, numbers } from './derivatives.ts';
import { downscale2x, upscale2x } from './resample.ts';

const repeated = (x: tf.Tensor): tf.Tensor => tf.mul(x.reshape([2, 4, 1, 4, 1, 3]), tf.ones([1, 1, 2, 1, 2, 1])).reshape([2, 8, 8, 3]);

const blockMeans = (x: tf.Tensor): tf.Tensor => tf.mean(x.reshape([2, 4, 2, 4, 2, 3]), [2, 4]);

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('upscaling repeats each pixel twice in both directions', () => {
  const image = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
  assert.deepEqual([...upscale2x(image).dataSync()], [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
});

test('upscaling has the derivatives of a broadcast', () => {
  assertSameDerivatives(
    (x) => upscale2x(x as tf.Tensor4D),
    (x) => repeated(x),
    [numbers([2, 4, 4, 3])],
  );
});

test('downscaling takes the mean of each 2x2 block and has the derivatives of that mean', () => {
  assertSameDerivatives(
    (x) => downscale2x(x as tf.Tensor4D),
    (x) => blockMeans(x),
    [numbers([2, 8, 8, 3])],
  );
});
