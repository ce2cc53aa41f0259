import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { laplacianPyramid, pyramidSizes } from './laplacian.ts';
import { goldenImages, goldenTensors } from './test-images.ts';

test('the pyramid of a golden image is the reference’s, bit for bit', (t) => {
  const [images, golden] = [goldenImages(t, 'B'), goldenTensors(t, 'swd_replay.safetensors')];
  if (!images || !golden) return;
  const levels = laplacianPyramid(64)(images.subarray(0, 64 * 64));
  assert.equal(levels.length, 3);
  for (const [i, level] of levels.entries()) assert.deepEqual(Float64Array.from(level), golden(`laplacian_B0_level${i}`));
});

test('levels run from the resolution down to 16, and images below 16x16 have none', () => {
  assert.deepEqual(pyramidSizes(512), [512, 256, 128, 64, 32, 16]);
  assert.deepEqual(pyramidSizes(16), [16]);
  assert.deepEqual(pyramidSizes(8), []);
});

test('a flat image has nothing but its grey level at the coarsest resolution', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), (grey) => {
      const [fine, coarse] = laplacianPyramid(32)(new Uint8Array(32 * 32).fill(grey));
      assert.ok(fine?.every((value) => value === 0));
      assert.ok(coarse?.every((value) => value === grey));
    }),
  );
});
