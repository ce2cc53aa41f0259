import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { assertClose, numbers } from './derivatives.ts';
import { appendMinibatchStddev } from './minibatch-stddev.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

/** The definition, one number at a time: groups are samples n, n + M, n + 2M, ... of M groups. */
function statisticOf(x: tf.Tensor, groupSize: number, sample: number): number {
  const [n, ...rest] = x.shape as [number, ...number[]];
  const features = rest.reduce((a, b) => a * b, 1);
  const values = x.dataSync();
  const group = Math.min(groupSize, n);
  const groups = n / group;
  const members = Array.from({ length: group }, (_, k) => (sample % groups) + k * groups);
  const stddev = (feature: number): number => {
    const of = members.map((member) => values[member * features + feature] ?? 0);
    const mean = of.reduce((a, b) => a + b, 0) / group;
    return Math.sqrt(of.reduce((a, b) => a + (b - mean) ** 2, 0) / group + 1e-8);
  };
  return Array.from({ length: features }, (_, feature) => stddev(feature)).reduce((a, b) => a + b, 0) / features;
}

for (const [minibatch, groupSize] of [
  [8, 4],
  [4, 4],
  [2, 4],
  [6, 3],
] as const) {
  test(`a minibatch of ${minibatch} in groups of ${groupSize} gets one channel with its groups' mean standard deviation`, () => {
    const x = numbers([minibatch, 2, 2, 3]) as tf.Tensor4D;
    const appended = appendMinibatchStddev(x, groupSize);
    assert.deepEqual(appended.shape, [minibatch, 2, 2, 4]);
    assertClose(tf.slice(appended, [0, 0, 0, 0], [-1, -1, -1, 3]), x, 'features');
    const expected = Array.from({ length: minibatch }, (_, sample) => Array<number>(4).fill(statisticOf(x, groupSize, sample)));
    assertClose(tf.slice(appended, [0, 0, 0, 3], [-1, -1, -1, 1]), tf.tensor(expected.flat(), [minibatch, 2, 2, 1]), 'statistic');
  });
}

test('a minibatch that does not divide into groups is refused', () => {
  assert.throws(() => appendMinibatchStddev(tf.zeros([6, 4, 4, 2]), 4), /minibatch of 6 does not divide/);
});
