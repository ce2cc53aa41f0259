import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from './backend.ts';
import { fromBFloat16, isBFloat16, toBFloat16 } from './bf16.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

/** Round to nearest, ties to even, at the upper 16 of a float's 32 bits. */
function rounded(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  const up = ((bits >>> 16) & 1) + 0x7fff;
  return new Float32Array(Uint32Array.of((bits + up) & 0xffff0000).buffer)[0] ?? Number.NaN;
}

test('a value is rounded to the nearest one with 8 significant bits', () => {
  const values = [1, -1, 0, 1.00390625, 1.01171875, Math.PI, -1e-20, 65504, 3e38];
  assert.deepEqual([...fromBFloat16(toBFloat16(tf.tensor1d(values))).dataSync()], values.map(rounded));
});

test('an op that takes a bfloat16 tensor runs in bfloat16, with its other inputs rounded', () => {
  const x = toBFloat16(tf.tensor1d([1, 3]));
  const y = tf.mul(x, tf.scalar(1.003));
  assert.ok(isBFloat16(y));
  assert.deepEqual([...fromBFloat16(y).dataSync()], [rounded(1.003), 3 * rounded(1.003)].map(rounded));
  assert.ok(!isBFloat16(tf.mul(tf.scalar(2), tf.scalar(3))));
});

test('gradients pass through in bfloat16 and arrive in float32', () => {
  const gradient = tf.grad(squares)(tf.tensor1d([1.5, -0.75]));
  assert.ok(!isBFloat16(gradient));
  assert.deepEqual([...gradient.dataSync()], [3, -1.5]);
});

test('conversions and mixed ops leave no tensor behind', () => {
  const x = tf.tensor1d([1, 2, 3]);
  const before = tf.memory().numTensors;
  tf.tidy(() => fromBFloat16(tf.add(toBFloat16(x), x))).dispose();
  assert.equal(tf.memory().numTensors, before);
});

const squares = (x: tf.Tensor): tf.Tensor => tf.sum(fromBFloat16(tf.mul(toBFloat16(x), toBFloat16(x))));
