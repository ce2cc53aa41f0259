import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { shared } from '../../test/harness/shared.ts';
import { createRandom } from '../train/random.ts';
import type { ImageShape } from './metric.ts';
import { type PatchDraws, patchDraws } from './patch-draws.ts';
import { slicedWasserstein, type SlicedWassersteinOptions } from './sliced-wasserstein.ts';
import { GOLDEN_IMAGES, GOLDEN_SHAPE, goldenImages, goldenTensors, measure } from './test-images.ts';

const GREY16: ImageShape = { resolution: 16, channels: 1 };

/** The reference sums in float32: 1e-6 of the value. */
function assertNear(actual: readonly number[], expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]!) <= 1e-6 * expected[i]!, `value ${i}: ${value}, not ${expected[i]}`),
  );
}

/** Number of a level of the golden pyramid, finest first. */
const level = (size: number): number => Math.log2(64 / size);

/** The recorded draws of the golden replay: x and y of the reals per level, their (unused) directions, then the same of the fakes. */
function recordedDraws(recorded: (name: string) => Float64Array): PatchDraws {
  const draw = (number: number, kind: string): Float64Array => recorded(`draw${String(number).padStart(2, '0')}_${kind}`);
  return {
    centres(role, size, image, patches) {
      const first = (role === 'reals' ? 0 : 12) + 2 * level(size);
      const [x, y] = [draw(first, 'randint'), draw(first + 1, 'randint')];
      return { x: x.subarray(image * patches, (image + 1) * patches), y: y.subarray(image * patches, (image + 1) * patches) };
    },
    normals: (size, repeat) => draw(18 + 2 * level(size) + repeat, 'randn'),
  };
}

const REPLAY = { shape: GOLDEN_SHAPE, images: GOLDEN_IMAGES, patchesPerImage: 4, repeats: 2, directionsPerRepeat: 8 } as const;

test('with the recorded draws the distances are the reference’s, in memory and from a file, whatever the minibatches', async (t) => {
  const [a, b, recorded] = [goldenImages(t, 'A'), goldenImages(t, 'B'), goldenTensors(t, 'swd_replay.safetensors')];
  if (!a || !b || !recorded) return;
  for (const [memoryBytes, minibatch] of [
    [2 ** 30, 64],
    [0, 7],
  ] as const) {
    const metric = slicedWasserstein({ ...REPLAY, patchChannels: 3, draws: [recordedDraws(recorded)], memoryBytes });
    assert.deepEqual(
      metric.columns.map(({ name }) => name),
      ['SWDx1e3_64', 'SWDx1e3_32', 'SWDx1e3_16', 'SWDx1e3_avg'],
    );
    assert.deepEqual(await measure(metric, 'reals', a, GOLDEN_SHAPE, minibatch), [0, 0, 0, 0]);
    assertNear(await measure(metric, 'fakes', b, GOLDEN_SHAPE, minibatch), recorded('result'));
    await metric.dispose();
  }
});

/** Grey images as RGB ones with equal channels. */
const tiled = (grey: Uint8Array): Uint8Array => Uint8Array.from({ length: grey.length * 3 }, (_, i) => grey[Math.floor(i / 3)]!);

test('grey images give the same distances as the RGB images that they are tiled to', async (t) => {
  const [a, b, recorded] = [goldenImages(t, 'A'), goldenImages(t, 'B'), goldenTensors(t, 'swd_replay.safetensors')];
  if (!a || !b || !recorded) return;
  const shape: ImageShape = { resolution: 64, channels: 3 };
  const metric = slicedWasserstein({ ...REPLAY, shape, patchChannels: 3, draws: [recordedDraws(recorded)] });
  await measure(metric, 'reals', tiled(a), shape);
  assertNear(await measure(metric, 'fakes', tiled(b), shape), recorded('result'));
});

test('over ten seeds the distances have the reference’s means, within its standard deviation between seeds', async (t) => {
  const [a, b, path] = [goldenImages(t, 'A'), goldenImages(t, 'B'), shared(t, 'golden/metrics.json')];
  if (!a || !b || path === undefined) return;
  const { swd } = JSON.parse(readFileSync(path, 'utf8')) as {
    swd: Record<'A_vs_B' | 'A_vs_A_redrawn', { mean: number[]; std_pop: number[] }>;
  };
  const draws = Array.from({ length: 10 }, (_, seed) => patchDraws(createRandom(seed)));
  const metric = slicedWasserstein({ shape: GOLDEN_SHAPE, images: GOLDEN_IMAGES, patchChannels: 3, draws });
  await measure(metric, 'reals', a, GOLDEN_SHAPE);
  for (const [images, expected] of [
    [b, swd.A_vs_B],
    [a, swd.A_vs_A_redrawn],
  ] as const) {
    const values = await measure(metric, 'fakes', images, GOLDEN_SHAPE);
    expected.mean.forEach((mean, i) =>
      assert.ok(Math.abs(values[i]! - mean) < expected.std_pop[i]!, `column ${i}: ${values[i]}, not ${mean}`),
    );
  }
});

const SMALL: Omit<SlicedWassersteinOptions, 'draws'> = {
  shape: GREY16,
  images: 12,
  patchChannels: 1,
  patchesPerImage: 16,
  repeats: 2,
  directionsPerRepeat: 6,
};

/** Twelve images of noise whose contrast depends on the seed. */
function noise(seed: number): Uint8Array {
  return Uint8Array.from(createRandom(seed).uniform('noise', 0, 12 * 256), (value) => 128 + (value - 0.5) * 40 * (seed + 1));
}

test('a set has no distance from itself under the same draws, and some under others', async () => {
  const draws = patchDraws(createRandom(1));
  const same: PatchDraws = { ...draws, centres: (_role, size, image, patches) => draws.centres('reals', size, image, patches) };
  for (const [draw, zero] of [
    [same, true],
    [draws, false],
  ] as const) {
    const metric = slicedWasserstein({ ...SMALL, draws: [draw] });
    await measure(metric, 'reals', noise(0), GREY16);
    const values = await measure(metric, 'fakes', noise(0), GREY16);
    assert.equal(
      values.every((value) => value === 0),
      zero,
    );
  }
});

test('the order of the images does not matter when their patches move with them', async () => {
  const draws = patchDraws(createRandom(1));
  const reversed: PatchDraws = {
    ...draws,
    centres: (role, size, image, patches) => draws.centres(role, size, role === 'fakes' ? 11 - image : image, patches),
  };
  const images = noise(3);
  const backwards = Uint8Array.from({ length: images.length }, (_, i) => images[(11 - Math.floor(i / 256)) * 256 + (i % 256)]!);
  const distance = async (draw: PatchDraws, fakes: Uint8Array): Promise<readonly number[]> => {
    const metric = slicedWasserstein({ ...SMALL, draws: [draw] });
    await measure(metric, 'reals', noise(0), GREY16);
    return measure(metric, 'fakes', fakes, GREY16);
  };
  const [forth, back] = [await distance(draws, images), await distance(reversed, backwards)];
  // The set's mean and spread are summed in another order.
  forth.forEach((value, i) => assert.ok(value > 0 && Math.abs(value - back[i]!) < 1e-4 * value, `${value} and ${back[i]}`));
});

test('several redraws give means and the standard deviation of the average', async () => {
  const draws = [0, 1, 2].map((redraw) => patchDraws(createRandom(5), redraw));
  const measured = async (chosen: readonly PatchDraws[]): Promise<readonly number[]> => {
    const metric = slicedWasserstein({ ...SMALL, draws: chosen });
    await measure(metric, 'reals', noise(0), GREY16);
    return measure(metric, 'fakes', noise(2), GREY16);
  };
  const [, x, y, z] = [0, ...(await Promise.all(draws.map((draw) => measured([draw])))).map((values) => values.at(-1)!)] as [
    number,
    number,
    number,
    number,
  ];
  const mean = (x + y + z) / 3;
  const deviation = Math.sqrt(((x - mean) ** 2 + (y - mean) ** 2 + (z - mean) ** 2) / 2);
  const metric = slicedWasserstein({ ...SMALL, draws });
  assert.deepEqual(
    metric.columns.map(({ name }) => name),
    ['SWD1x1e3_16', 'SWD1x1e3_avg', 'SWD1x1e3_std'],
  );
  const [, average, spread] = await measured(draws);
  assert.ok(Math.abs(average! - mean) < 1e-9 && Math.abs(spread! - deviation) < 1e-9);
});

test('fakes without any contrast have a finite distance', async () => {
  const metric = slicedWasserstein({ ...SMALL, draws: [patchDraws(createRandom(1))] });
  await measure(metric, 'reals', noise(0), GREY16);
  const [distance] = await measure(metric, 'fakes', new Uint8Array(12 * 256).fill(77), GREY16);
  assert.ok(distance! > 500 && distance! < 1000, String(distance));
});

test('images below 16x16, one-channel patches of RGB images and sets of another size are refused', async () => {
  const draws = [patchDraws(createRandom(1))];
  assert.throws(() => slicedWasserstein({ ...SMALL, shape: { resolution: 8, channels: 1 }, draws }), {
    code: 'OptionsInvalid',
    message: /8x8/,
  });
  assert.throws(() => slicedWasserstein({ ...SMALL, shape: { resolution: 16, channels: 3 }, draws }), {
    code: 'OptionsInvalid',
    message: /SWD1x1e3/,
  });
  const metric = slicedWasserstein({ ...SMALL, draws });
  await assert.rejects(measure(metric, 'reals', noise(0).subarray(256), GREY16), /12 images per set; this set has 11/);
});
