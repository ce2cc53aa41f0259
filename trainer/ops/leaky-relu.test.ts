import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { assertSameDerivatives, numbers } from './derivatives.ts';
import { leakyRelu } from './leaky-relu.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('leaky ReLU has slope 0.2 below zero', () => {
  assert.deepEqual([...leakyRelu(tf.tensor1d([-5, 0, 3])).dataSync()], [-1, 0, 3]);
});

test('its first and second derivatives are those of multiplying by 1 or 0.2', () => {
  const x = numbers([2, 4, 4, 3]);
  const slopes = tf.tensor(
    x.dataSync().map((value) => (value > 0 ? 1 : 0.2)),
    x.shape,
  );
  assertSameDerivatives(
    (z) => leakyRelu(z),
    (z) => tf.mul(z, slopes),
    [x],
  );
});
