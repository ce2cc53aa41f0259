import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createRandom } from '../train/random.ts';
import { batchIndexes } from './batches.ts';

const sorted = (values: Iterable<number>): readonly number[] => [...values].sort((a, b) => a - b);

test('every epoch shows every image once, however the run is cut into batches', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.nat(1000),
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 40 }),
      (images, seed, batches) => {
        const random = createRandom(seed);
        const seen: number[] = [];
        for (const count of batches) seen.push(...batchIndexes(random, images, seen.length, count));
        for (let epoch = 0; (epoch + 1) * images <= seen.length; epoch++) {
          assert.deepEqual(
            sorted(seen.slice(epoch * images, (epoch + 1) * images)),
            Array.from({ length: images }, (_, i) => i),
          );
        }
      },
    ),
  );
});

test('the images of a run do not depend on where it was interrupted or on its minibatch', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(200), fc.nat(100), (images, first, count) => {
      const whole = batchIndexes(createRandom(9), images, 0, first + count);
      assert.deepEqual(batchIndexes(createRandom(9), images, first, count), whole.subarray(first));
    }),
  );
});

test('a batch that straddles an epoch takes the end of one permutation and the start of the next', () => {
  const random = createRandom(1);
  const expected = [
    ...random.permutation('data', 4, 10).subarray(7),
    ...random.permutation('data', 5, 10),
    ...random.permutation('data', 6, 10).subarray(0, 2),
  ];
  assert.deepEqual([...batchIndexes(createRandom(1), 10, 47, 15)], expected);
});

test('another epoch and another seed give another order', () => {
  const orders = [
    [1, 0],
    [1, 1],
    [2, 0],
  ].map(([seed = 0, epoch = 0]) => batchIndexes(createRandom(seed), 100, epoch * 100, 100).join());
  assert.equal(new Set(orders).size, 3);
});
