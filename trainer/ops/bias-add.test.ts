import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { fromBFloat16, isBFloat16, toBFloat16 } from '../backend/bf16.ts';
import { biasAdd } from './bias-add.ts';
import { assertClose, assertSameDerivatives, numbers } from './derivatives.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

for (const shape of [
  [2, 4, 4, 3],
  [5, 3],
]) {
  test(`a bias is added per channel of ${shape.length} axes, with the derivatives of a broadcast addition`, () => {
    assertSameDerivatives(
      (x, bias) => biasAdd(x, bias),
      (x, bias) => tf.add(x, bias),
      [numbers(shape), numbers([3], 2)],
    );
  });
}

test('the gradient of a bias in bfloat16 is the float32 sum over all pixels, however many', () => {
  const shape = [16, 64, 64, 4];
  const dy = toBFloat16(tf.add(numbers(shape), 0.5));
  const [, gradient] = tf.grads((x: tf.Tensor, bias: tf.Tensor) => biasAdd(x, toBFloat16(bias)))(
    [toBFloat16(numbers(shape, 2)), numbers([4], 3)],
    dy,
  );
  assert.ok(gradient && !isBFloat16(gradient));
  assertClose(gradient, tf.sum(fromBFloat16(dy), [0, 1, 2]), 'gradient');
});
