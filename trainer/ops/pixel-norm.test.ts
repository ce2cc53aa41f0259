import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { fromBFloat16, isBFloat16, toBFloat16 } from '../backend/bf16.ts';
import { assertSameDerivatives, numbers } from './derivatives.ts';
import { pixelNorm } from './pixel-norm.ts';

const definition = (x: tf.Tensor): tf.Tensor => tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 0.01)));

const norm = (x: tf.Tensor): tf.Tensor => tf.sum(tf.square(tf.grad((z: tf.Tensor) => tf.sum(tf.square(pixelNorm(z, 1e-8))))(x)));

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('features of every pixel are divided by their root mean square', () => {
  assert.deepEqual(
    [...pixelNorm(tf.tensor2d([[3, 4, 0, 0]]), 0).dataSync()].map((x) => x.toFixed(6)),
    ['1.200000', '1.600000', '0.000000', '0.000000'],
  );
});

for (const shape of [
  [2, 4, 4, 3],
  [5, 7],
]) {
  test(`its gradient over ${shape.length} axes is that of the definition`, () => {
    assertSameDerivatives(
      (x) => pixelNorm(x, 0.01),
      (x) => definition(x),
      [numbers(shape)],
      1,
    );
  });
}

test('a second derivative is refused, not silently wrong', () => {
  assert.throws(() => tf.grad(norm)(numbers([2, 3])), /PgganPixelNormGrad/);
});

test('in bfloat16 its value and gradient over many features are the float32 ones but for eight roundings, whose sums do not stand still', () => {
  const shape = [2, 8, 8, 512];
  const [x, dy] = [1, 2].map((seed) => toBFloat16(tf.add(numbers(shape, seed), 0.5)));
  for (const [what, actual, expected] of [
    ['value', pixelNorm(x!, 0.01), definition(fromBFloat16(x!))],
    ['gradient', tf.grad((z: tf.Tensor) => pixelNorm(z, 0.01))(x!, dy), tf.grad(definition)(fromBFloat16(x!), fromBFloat16(dy!))],
  ] as const) {
    assert.ok(isBFloat16(actual), what);
    const off = tf.max(tf.abs(tf.sub(fromBFloat16(actual), expected))).dataSync()[0] ?? Number.NaN;
    const largest = tf.max(tf.abs(expected)).dataSync()[0] ?? Number.NaN;
    assert.ok(off <= 8 * 2 ** -9 * largest, `${what}: off by ${off}, values up to ${largest}`);
  }
});
