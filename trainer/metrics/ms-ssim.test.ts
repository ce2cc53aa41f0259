import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { shared } from '../../test/harness/shared.ts';
import { msSsim, multiScaleSimilarity, scales } from './ms-ssim.ts';
import { gaussian } from './ssim.ts';
import { GOLDEN_IMAGES, GOLDEN_SHAPE, goldenImages, measure } from './test-images.ts';

type Golden = {
  readonly API_A: number;
  readonly API_B: number;
  readonly API_Anoisy: number;
  readonly direct_A_vs_B: number;
  readonly direct_A_vs_Anoisy: number;
  readonly A_vs_B_first8: readonly number[];
  readonly A_vs_Anoisy_first8: readonly number[];
  readonly levels_A0_vs_Anoisy0: readonly { readonly size: number; readonly ssim: number; readonly cs: number }[];
  readonly gauss8: readonly (readonly number[])[];
};

/** The reference filters by FFT in float32: its single scales carry 5e-6, their weighted product over a set 1e-6. */
const SCALE_TOLERANCE = 1e-5;
const TOLERANCE = 2e-6;

const near = (actual: number, expected: number, tolerance: number): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual}, not ${expected}`);

const image = (set: Uint8Array, i: number): Uint8Array => set.subarray(i * 4096, (i + 1) * 4096);

function golden(t: test.TestContext): Golden | undefined {
  const path = shared(t, 'golden/metrics.json');
  return path === undefined ? undefined : (JSON.parse(readFileSync(path, 'utf8')) as { ms_ssim: Golden }).ms_ssim;
}

test('neighbouring images of a set have the reference’s similarity, whatever the minibatches', async (t) => {
  const expected = golden(t);
  for (const set of ['A', 'B', 'Anoisy'] as const) {
    const images = goldenImages(t, set);
    if (!images || !expected) return;
    const values: number[] = [];
    for (const minibatch of [64, 8, 5]) {
      const [value] = await measure(msSsim(GOLDEN_SHAPE), 'fakes', images, GOLDEN_SHAPE, minibatch);
      near(value!, expected[`API_${set}`], TOLERANCE);
      values.push(value!);
    }
    assert.equal(new Set(values).size, 1);
  }
});

test('pairs of images have the reference’s similarities, zero where a scale is negative', (t) => {
  const expected = golden(t);
  const [a, b, noisy] = [goldenImages(t, 'A'), goldenImages(t, 'B'), goldenImages(t, 'Anoisy')];
  if (!expected || !a || !b || !noisy) return;
  for (const [other, first8, mean] of [
    [b, expected.A_vs_B_first8, expected.direct_A_vs_B],
    [noisy, expected.A_vs_Anoisy_first8, expected.direct_A_vs_Anoisy],
  ] as const) {
    const values = Array.from({ length: GOLDEN_IMAGES }, (_, i) => multiScaleSimilarity(image(a, i), image(other, i), GOLDEN_SHAPE));
    first8.forEach((value, i) => near(values[i]!, value, SCALE_TOLERANCE));
    near(values.reduce((sum, value) => sum + value, 0) / values.length, mean, TOLERANCE);
  }
});

test('each scale has the reference’s similarity and contrast', (t) => {
  const expected = golden(t);
  const [a, noisy] = [goldenImages(t, 'A'), goldenImages(t, 'Anoisy')];
  if (!expected || !a || !noisy) return;
  const measured = scales(image(a, 0), image(noisy, 0), GOLDEN_SHAPE);
  assert.equal(measured.length, expected.levels_A0_vs_Anoisy0.length);
  expected.levels_A0_vs_Anoisy0.forEach(({ ssim, cs }, i) => {
    near(measured[i]!.ssim, ssim, SCALE_TOLERANCE);
    near(measured[i]!.contrast, cs, SCALE_TOLERANCE);
  });
});

test('windows of even width are centred between two pixels', (t) => {
  const expected = golden(t)?.gauss8;
  if (!expected) return;
  const window = gaussian(8);
  expected.forEach((row, y) => row.forEach((value, x) => near(window[y]! * window[x]!, value, 1e-15)));
});

test('an image is like itself, in grey and in colour', () => {
  const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 37) % 251);
  assert.equal(multiScaleSimilarity(pixels, pixels, { resolution: 16, channels: 3 }), 1);
  assert.equal(multiScaleSimilarity(pixels.subarray(0, 64), pixels.subarray(0, 64), { resolution: 8, channels: 1 }), 1);
});

test('grey images have one similarity under both names; an image without a partner and one-channel RGB are refused', async (t) => {
  const images = goldenImages(t, 'A');
  if (!images) return;
  const [rgb, grey] = [msSsim(GOLDEN_SHAPE, 3), msSsim(GOLDEN_SHAPE, 1)];
  assert.deepEqual([rgb.columns[0]?.name, grey.columns[0]?.name], ['MS-SSIM', 'MS-SSIM1']);
  assert.deepEqual(await measure(rgb, 'reals', images, GOLDEN_SHAPE), await measure(grey, 'reals', images, GOLDEN_SHAPE));
  await assert.rejects(measure(grey, 'fakes', image(images, 0), GOLDEN_SHAPE), /at least two/);
  assert.throws(() => msSsim({ resolution: 64, channels: 3 }, 1), { code: 'OptionsInvalid', message: /MS-SSIM1/ });
});
