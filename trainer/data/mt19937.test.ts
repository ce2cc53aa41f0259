import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mt19937, numpyShuffledOrder } from './mt19937.ts';

test('MT19937 gives the published first numbers for its default seed 5489', () => {
  const next = mt19937(5489);
  assert.deepEqual([next(), next(), next(), next(), next()], [3499211612, 581869302, 3890346734, 3586334585, 545404204]);
  for (let i = 6; i < 10_000; i++) next();
  assert.equal(next(), 4123659995, 'the 10,000th number, as the C++ standard states it');
});

test('the shuffled order is that of numpy.random.RandomState(123).shuffle', () => {
  assert.deepEqual([...numpyShuffledOrder(123, 8)], [0, 1, 3, 7, 4, 2, 5, 6]);
  assert.deepEqual([...numpyShuffledOrder(123, 10)], [4, 0, 7, 5, 8, 3, 1, 6, 9, 2]);
  const order = [...numpyShuffledOrder(123, 6268)];
  assert.deepEqual(order.slice(0, 6), [5689, 474, 4422, 3308, 20, 2144]);
  assert.deepEqual(order.slice(-4), [4060, 1346, 3454, 3582]);
});
