import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRandom } from '../train/random.ts';
import { openDataset } from './dataset.ts';
import { drawPhantom } from './phantom.ts';
import { createPhantoms } from './phantoms.ts';
import { temporaryFolder } from './test-folders.ts';

/** Mean grey level of a phantom within a box given in shares of the image. */
function mean(pixels: Uint8Array, size: number, [left, top, right, bottom]: readonly [number, number, number, number]): number {
  const values: number[] = [];
  for (let y = Math.floor(top * size); y < bottom * size; y++) {
    for (let x = Math.floor(left * size); x < right * size; x++) values.push(pixels[y * size + x] ?? 0);
  }
  return values.reduce((a, b) => a + b, 0) / values.length;
}

test('every phantom has two dark lungs, a bright mediastinum, the heart on the viewer’s right and a bright abdomen', () => {
  const random = createRandom(7);
  for (let index = 0; index < 100; index++) {
    const pixels = drawPhantom(random, index, { resolution: 64, opacity: 0 });
    const rightLung = mean(pixels, 64, [0.2, 0.35, 0.36, 0.6]);
    const leftLung = mean(pixels, 64, [0.66, 0.35, 0.82, 0.55]);
    const middle = mean(pixels, 64, [0.47, 0.35, 0.53, 0.6]);
    assert.ok(
      middle > rightLung + 40 && middle > leftLung + 40,
      `phantom ${index}: lungs ${rightLung}, ${leftLung}, mediastinum ${middle}`,
    );
    assert.ok(mean(pixels, 64, [0.3, 0.9, 0.7, 1]) > rightLung + 30, `phantom ${index}: abdomen`);
    assert.ok(mean(pixels, 64, [0.58, 0.58, 0.66, 0.66]) > mean(pixels, 64, [0.34, 0.58, 0.42, 0.66]) + 5, `phantom ${index}: heart`);
  }
});

test('the anatomy does not depend on the resolution', () => {
  const random = createRandom(3);
  for (let index = 0; index < 10; index++) {
    const large = drawPhantom(random, index, { resolution: 128, opacity: 0.5 });
    const small = drawPhantom(random, index, { resolution: 32, opacity: 0.5 });
    const reduced = Float64Array.from({ length: 1024 }, (_, i) => blockMean(large, i % 32, Math.floor(i / 32)));
    assert.ok(correlation(small, reduced) > 0.97, `phantom ${index}: ${correlation(small, reduced)}`);
  }
});

test('phantoms vary, and opacities brighten the lungs of the share that was asked for', () => {
  const random = createRandom(5);
  const plain = Array.from({ length: 200 }, (_, i) => drawPhantom(random, i, { resolution: 32, opacity: 0 }));
  const some = Array.from({ length: 200 }, (_, i) => drawPhantom(random, i, { resolution: 32, opacity: 0.3 }));
  const changed = plain.filter((pixels, i) => pixels.some((value, at) => value !== some[i]?.[at])).length;
  assert.ok(changed > 35 && changed < 85, `${changed} of 200`);
  assert.ok(
    plain.every((pixels, i) => pixels.every((value, at) => value <= (some[i]?.[at] ?? 0))),
    'an opacity only ever brightens',
  );
  assert.ok(plain.every((pixels, i) => i === 0 || correlation(pixels, plain[0] ?? pixels) < 0.995));
});

test('a dataset of phantoms says that it is one, and the same seed makes the same dataset', async (t) => {
  const root = await temporaryFolder(t);
  const digests: string[] = [];
  for (const [name, seed] of [
    ['a', 1],
    ['b', 1],
    ['c', 2],
  ] as const) {
    await createPhantoms({ folder: join(root, name), count: 20, resolution: 16, seed });
    const dataset = await openDataset(join(root, name));
    dataset.close();
    digests.push(dataset.digest);
    assert.deepEqual(dataset.source, { kind: 'phantom', seed, opacity: 0 });
  }
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

test('what cannot be drawn is refused by name', async (t) => {
  const good = { folder: join(await temporaryFolder(t), 'set'), count: 1, resolution: 8, seed: 1 };
  for (const [wrong, message] of [
    [{ count: 0 }, /^count 0: must be a whole number from 1$/],
    [{ resolution: 48 }, /^resolution 48: must be a power of two from 4 to 1024$/],
    [{ seed: -1 }, /^seed -1: /],
    [{ opacity: 1.5 }, /^opacity 1\.5: must be a share from 0 to 1$/],
  ] as const) {
    await assert.rejects(createPhantoms({ ...good, ...wrong }), { code: 'UsageInvalid', message });
  }
});

/** Mean of the 4x4 block (x, y) of a 128x128 image. */
function blockMean(pixels: Uint8Array, x: number, y: number): number {
  return mean(pixels, 128, [x / 32, y / 32, (x + 1) / 32, (y + 1) / 32]);
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  const average = (of: (i: number) => number): number => Array.from({ length: n }, (_, i) => of(i)).reduce((x, y) => x + y, 0) / n;
  const [meanA, meanB] = [average((i) => a[i] ?? 0), average((i) => b[i] ?? 0)];
  const covariance = average((i) => ((a[i] ?? 0) - meanA) * ((b[i] ?? 0) - meanB));
  return covariance / Math.sqrt(average((i) => ((a[i] ?? 0) - meanA) ** 2) * average((i) => ((b[i] ?? 0) - meanB) ** 2));
}
