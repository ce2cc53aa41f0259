import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { assertSameDerivatives, numbers } from './derivatives.ts';
import { withoutGradient } from './without-gradient.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

const cube = (z: tf.Tensor): tf.Tensor => tf.mul(tf.square(z), z);

test('what is computed without gradient is a constant to first and second derivatives', () => {
  const x = numbers([3, 4]);
  const constant = tf.square(x);
  assertSameDerivatives(
    (z) =>
      tf.mul(
        z,
        withoutGradient(() => tf.square(z)),
      ),
    (z) => tf.mul(z, constant),
    [x],
  );
});

test('a gradient that has no other way to its variable is refused, not zero in silence', () => {
  assert.throws(() => tf.grad((z: tf.Tensor) => withoutGradient(() => tf.square(z)))(numbers([3])), /Cannot compute gradient/);
});

test('inside a gradient nothing of it is kept but its value', () => {
  const x = numbers([3, 4]);
  const kept = (f: (z: tf.Tensor) => tf.Tensor): number => {
    let tensors = Number.NaN;
    const gradient = tf.grad((z: tf.Tensor) => {
      const before = tf.memory().numTensors;
      const value = f(z);
      tensors = tf.memory().numTensors - before;
      return tf.sum(tf.mul(z, value));
    })(x);
    gradient.dispose();
    return tensors;
  };
  assert.equal(
    kept((z) => withoutGradient(() => cube(z))),
    1,
  );
  assert.ok(kept(cube) > 1, 'otherwise the test tells nothing');
});
