import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { fromBFloat16, isBFloat16, toBFloat16 } from '../backend/bf16.ts';
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

test('in bfloat16 its value, its gradient and the gradient of that are products rounded once', () => {
  const [x, dy, ddy] = [1, 2, 3].map((seed) => toBFloat16(numbers([2, 8, 8, 3], seed)));
  const assertProduct = (actual: tf.Tensor, factor: tf.Tensor, slope: number, what: string): void => {
    assert.ok(isBFloat16(actual), what);
    const exact = tf.mul(fromBFloat16(factor), tf.where(tf.greater(fromBFloat16(x!), 0), 1, slope));
    assert.deepEqual(fromBFloat16(actual).dataSync(), fromBFloat16(toBFloat16(exact)).dataSync(), what);
  };
  const gradient = (dz: tf.Tensor): tf.Tensor => tf.grad((z: tf.Tensor) => leakyRelu(z))(x!, dz);
  // The value's own kernel computes in bfloat16, in which 0.2 is this; gradients are computed in float32.
  const rounded = 205 / 1024;
  assertProduct(leakyRelu(x!), x!, rounded, 'value');
  assertProduct(gradient(dy!), dy!, 0.2, 'gradient');
  assertProduct(tf.grad(gradient)(dy!, ddy), ddy!, 0.2, 'gradient of the gradient');
});
