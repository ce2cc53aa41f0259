import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import type { ImageShape } from './metric.ts';
import { moments, momentsMetric } from './moments.ts';
import { measure, minibatches } from './test-images.ts';

const GREY4: ImageShape = { resolution: 4, channels: 1 };
const PIXELS = 16;

/** Images that are base +- amplitude in turn, base being a ramp over the pixels. */
function alternating(count: number, amplitude: number, shift = 0): Uint8Array {
  return Uint8Array.from(
    { length: count * PIXELS },
    (_, i) => 100 + (i % PIXELS) + shift + (Math.floor(i / PIXELS) % 2 === 0 ? amplitude : -amplitude),
  );
}

test('brighter fakes with half the spread show in the grey levels and in the ratio, not in the correlation', async () => {
  const found = await moments([alternating(8, 5, 12)], [alternating(6, 10)], GREY4);
  assert.ok(Math.abs(found.meanCorrelation - 1) < 1e-12);
  assert.equal(found.meanRmse, 12);
  assert.equal(found.spreadRatio, 0.5);
});

test('a negative of the reals correlates -1; a collapsed set has no spread; a flat mean has no correlation', async () => {
  const reals = alternating(6, 10);
  assert.ok(Math.abs((await moments([reals.map((value) => 255 - value)], [reals], GREY4)).meanCorrelation + 1) < 1e-12);
  assert.equal((await moments([alternating(6, 0)], [reals], GREY4)).spreadRatio, 0);
  assert.ok(Number.isNaN((await moments([new Uint8Array(PIXELS)], [reals], GREY4)).meanCorrelation));
});

test('colour channels are pixels of their own', async () => {
  const shape: ImageShape = { resolution: 1, channels: 3 };
  const found = await moments([Uint8Array.of(0, 10, 20)], [Uint8Array.of(3, 10, 24), Uint8Array.of(3, 10, 24)], shape);
  assert.ok(Math.abs(found.meanRmse - Math.sqrt(25 / 3)) < 1e-12);
});

test('order and minibatches do not matter, and the metric gives the same numbers', async () => {
  const pixel = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 6 * PIXELS, maxLength: 6 * PIXELS });
  await fc.assert(
    fc.asyncProperty(pixel, fc.integer({ min: 1, max: 6 }), async (values, size) => {
      const images = Uint8Array.from(values);
      const backwards = Uint8Array.from(values, (_, i) => values[(5 - Math.floor(i / PIXELS)) * PIXELS + (i % PIXELS)]!);
      const reals = alternating(4, 3);
      const whole = await moments([images], [reals], GREY4);
      assert.deepEqual(await moments(minibatches(backwards, GREY4, size), minibatches(reals, GREY4, size), GREY4), whole);
      const metric = momentsMetric(GREY4);
      await measure(metric, 'reals', reals, GREY4, size);
      assert.deepEqual(await measure(metric, 'fakes', images, GREY4, size), [whole.meanCorrelation, whole.meanRmse, whole.spreadRatio]);
    }),
    { numRuns: 30 },
  );
});

test('a set without images and a minibatch of one and a half are refused', async () => {
  await assert.rejects(moments([], [alternating(2, 1)], GREY4), /without images/);
  await assert.rejects(moments([new Uint8Array(24)], [alternating(2, 1)], GREY4), /no whole number of 4x4x1 images/);
});
