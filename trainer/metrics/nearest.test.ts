import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import type { ImageShape } from './metric.ts';
import { nearest } from './nearest.ts';
import { minibatches } from './test-images.ts';

/** More pixels than are summed at a time. */
const SHAPE: ImageShape = { resolution: 64, channels: 1 };
const flat = (...greys: number[]): Uint8Array => Uint8Array.from({ length: greys.length * 4096 }, (_, i) => greys[Math.floor(i / 4096)]!);

test('the nearest image over all minibatches is found, the first of equals', async () => {
  assert.deepEqual(await nearest(flat(100, 0, 255), minibatches(flat(90, 40, 105, 40, 95), SHAPE, 2), { shape: SHAPE }), [
    { index: 2, rmse: 5 },
    { index: 1, rmse: 40 },
    { index: 2, rmse: 150 },
  ]);
});

test('an image is not its own nearest when that is asked for', async () => {
  const reals = flat(10, 20, 50);
  assert.deepEqual(await nearest(reals, [reals], { shape: SHAPE, exceptSelf: true }), [
    { index: 1, rmse: 10 },
    { index: 0, rmse: 10 },
    { index: 1, rmse: 30 },
  ]);
});

test('giving up early never changes the answer', async () => {
  const shape: ImageShape = { resolution: 2, channels: 3 };
  const images = fc.array(fc.uint8Array({ minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(images, fc.uint8Array({ minLength: 12, maxLength: 12 }), async (reals, fake) => {
      const distances = reals.map((real) => Math.sqrt(real.reduce((sum, value, i) => sum + (value - fake[i]!) ** 2, 0) / 12));
      const rmse = Math.min(...distances);
      assert.deepEqual(await nearest(fake, reals, { shape }), [{ index: distances.indexOf(rmse), rmse }]);
    }),
  );
});

test('without any real image to compare with there is an error', async () => {
  await assert.rejects(nearest(flat(1), [flat(1)], { shape: SHAPE, exceptSelf: true }), /no real image/);
});
