/** For tests of ops with gradients of their own: equality with a definition in plain ops, up to the second derivative. */
import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';

type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/**
 * Asserts that `op` and `definition` agree on `inputs` in value, in the gradient of a curved function of it, and in the gradient of the
 * squared norm of that gradient (`order` 2), which is what a gradient penalty takes.
 */
export function assertSameDerivatives(op: Op, definition: Op, inputs: readonly tf.Tensor[], order: 1 | 2 = 2): void {
  tf.tidy(() => {
    assertClose(op(...inputs), definition(...inputs), 'value');
    for (const [index, input] of inputs.entries()) {
      const along = (f: Op) => (x: tf.Tensor) => curved(f(...inputs.map((other, at) => (at === index ? x : other))));
      const gradient = (f: Op) => tf.grad(along(f));
      assertClose(gradient(op)(input), gradient(definition)(input), `gradient of input ${index}`);
      if (order === 1) continue;
      const second = (f: Op) => tf.grad((x: tf.Tensor) => tf.sum(tf.square(gradient(f)(x))));
      assertClose(second(op)(input), second(definition)(input), `second derivative of input ${index}`);
    }
  });
}

/** Numbers without structure, between -1 and 1, none closer to 0 than 0.01. */
export function numbers(shape: readonly number[], seed = 1): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const value = (i: number): number => {
    const x = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
    const u = 2 * (x - Math.floor(x)) - 1;
    return Math.sign(u) * Math.max(Math.abs(u), 0.01);
  };
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => value(i)),
    [...shape],
  );
}

/** The largest difference must be below 1e-5 of the largest expected value. */
export function assertClose(actual: tf.Tensor, expected: tf.Tensor, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, what);
  const difference = tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0] ?? Number.NaN;
  const size = tf.max(tf.abs(expected)).dataSync()[0] ?? Number.NaN;
  assert.ok(size > 0, `${what}: nothing but zeros expected`);
  assert.ok(difference <= 1e-5 * size, `${what}: off by ${difference}, values up to ${size}`);
}

// Weighted, so that positions differ, and cubic, so that its second derivative is not constant.
const curved = (y: tf.Tensor): tf.Scalar => tf.sum(tf.mul(tf.mul(y, tf.square(y)), numbers(y.shape, 9)));
