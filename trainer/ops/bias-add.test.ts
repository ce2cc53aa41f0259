import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { biasAdd } from './bias-add.ts';
import { assertSameDerivatives, numbers } from './derivatives.ts';

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
