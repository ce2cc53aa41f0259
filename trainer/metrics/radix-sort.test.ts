import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { radixSort } from './radix-sort.ts';

test('numbers come out in the order of Float32Array.sort, infinities, denormals and both zeros included', () => {
  fc.assert(
    fc.property(fc.float32Array({ noNaN: true, maxLength: 300 }), (values) => {
      const sorted = new Float32Array(values.length);
      radixSort(values.slice(), sorted);
      assert.deepEqual(sorted, values.slice().sort());
    }),
    { examples: [[Float32Array.of(0, -0, -Infinity, 1e-45, Infinity, -1e-45, 3, 3)]] },
  );
});

test('only the part of a buffer that is asked for is touched', () => {
  const values = Float32Array.of(9, 2, 1, -3, 0);
  const sorted = Float32Array.of(7, 7, 7, 7, 7);
  radixSort(values.subarray(1, 4), sorted.subarray(2, 5));
  assert.deepEqual([...sorted], [7, 7, -3, 1, 2]);
  assert.deepEqual([values[0], values[4]], [9, 0]);
});
