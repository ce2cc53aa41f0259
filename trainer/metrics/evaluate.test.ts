import assert from 'node:assert/strict';
import test from 'node:test';
import { createMetric, imagesPerSet, metricName } from './choose.ts';
import { columnsOf, evaluate, evaluationMinibatch, measureSet, type Row } from './evaluate.ts';
import type { ImageShape } from './metric.ts';
import { reals } from './sources.ts';
import { tableHead, tableRow } from './table.ts';
import { minibatches } from './test-images.ts';

const SHAPE: ImageShape = { resolution: 16, channels: 1 };

/** Images of a texture that depends on `seed` and on the image. */
const textured = (count: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: count * 256 }, (_, i) => (Math.imul(i + 1, 2654435761 + 2 * seed) >>> 24) >> (seed % 4));

async function rowsOf(names: readonly string[], images: number): Promise<{ rows: Row[]; text: string[] }> {
  const metrics = names.map((name) => createMetric(metricName(name), { shape: SHAPE, images, seed: 1, redraws: 1 }));
  const columns = columnsOf(metrics);
  let clock = 0;
  const rows: Row[] = [];
  for await (const row of evaluate({
    metrics,
    shape: SHAPE,
    images,
    reals: () => minibatches(textured(10, 1), SHAPE, 4),
    realPasses: 2,
    snapshots: [60, 120].map((kimg) => ({ kimg, fakes: () => minibatches(textured(images, kimg), SHAPE, 3) })),
    now: () => (clock += 40),
  }))
    rows.push(row);
  return { rows, text: [...tableHead(columns), ...rows.map((row) => tableRow(row, columns))] };
}

test('the table has the reals, the reals redrawn and the snapshots, newest first, in the reference’s columns', async () => {
  const { rows, text } = await rowsOf(['swd'], 8);
  assert.deepEqual(
    rows.map(({ snapshot, images }) => [snapshot, images]),
    [
      ['Reals', 8],
      ['Reals2', 8],
      ['120', 8],
      ['60', 8],
    ],
  );
  assert.equal(text[0], 'Snapshot  Time_eval   SWDx1e3_16   SWDx1e3_avg  ');
  assert.equal(text[1], '---       ---         ---          ---          ');
  assert.equal(text[2], 'Reals     40s         0.0000       0.0000       ');
  for (const [i, line] of text.slice(2).entries()) assert.match(line, /^(Reals2?|\d+) +40s {9}\d+\.\d{4} +\d+\.\d{4} +$/, `row ${i}`);
  assert.ok(rows.slice(1).every(({ metrics }) => metrics['SWDx1e3_avg']! > 0));
});

test('all metrics are measured in one pass and rows survive JSON', async () => {
  const { rows } = await rowsOf(['swd', 'swd1', 'msssim', 'msssim1', 'moments'], 8);
  const names = ['SWDx1e3_16', 'SWDx1e3_avg', 'SWD1x1e3_16', 'SWD1x1e3_avg', 'MS-SSIM', 'MS-SSIM1', 'mean_corr', 'mean_rmse', 'spread'];
  for (const row of rows) {
    assert.deepEqual(Object.keys(row.metrics), names);
    assert.deepEqual(JSON.parse(JSON.stringify(row)), row);
  }
  const [first, second] = rows.map(({ metrics }) => metrics);
  assert.deepEqual([second!['mean_rmse'], second!['spread'], second!['MS-SSIM']], [0, 1, first!['MS-SSIM']]);
});

test('a set is cut to the number of images wanted, and refused when it has fewer', async () => {
  const metric = createMetric('moments', { shape: SHAPE, images: 5, seed: 1, redraws: 1 });
  const five = await measureSet([metric], 'reals', minibatches(textured(5, 1), SHAPE, 5), 5, SHAPE);
  assert.deepEqual(await measureSet([metric], 'fakes', minibatches(textured(9, 1), SHAPE, 4), 5, SHAPE), five);
  await assert.rejects(
    measureSet([metric], 'fakes', minibatches(textured(9, 1), SHAPE, 4), 12, SHAPE),
    /12 images .* 3 of them are missing/,
  );
});

test('no more images than the dataset has are measured unless a number was asked for, and either is remarked', () => {
  assert.deepEqual(imagesPerSet(['swd', 'msssim'], undefined, 20_000), { images: 16_384, remark: undefined });
  assert.deepEqual(imagesPerSet(['swd'], 2048, 6268), { images: 2048, remark: undefined });
  const bounded = imagesPerSet(['swd'], undefined, 6268);
  assert.equal(bounded.images, 6268);
  assert.match(bounded.remark ?? '', /dataset has 6268 images: .* \(--num-images 16384\)$/);
  const repeated = imagesPerSet(['swd'], 16_384, 6268);
  assert.equal(repeated.images, 16_384);
  assert.match(repeated.remark ?? '', /^warning: the dataset has 6268 images: .* up to 16384$/);
});

test('a dataset that is smaller than the set is shown again from its beginning', () => {
  const shown: number[] = [];
  const read = (_: number, indexes: readonly number[]): Uint8Array => {
    shown.push(...indexes);
    return new Uint8Array(indexes.length);
  };
  assert.equal([...reals({ images: 3, read }, 4096)(8)].length, 2, 'minibatches of 4');
  assert.deepEqual(shown, [0, 1, 2, 0, 1, 2, 0, 1]);
});

test('an unknown metric is refused with the names that there are', () => {
  assert.throws(() => metricName('fid'), { code: 'UsageInvalid', message: /'fid': use swd, swd1, msssim, msssim1, moments/ });
});

test('minibatches are the reference’s', () => {
  assert.deepEqual([4, 32, 64, 512, 4096].map(evaluationMinibatch), [256, 256, 128, 16, 4]);
});
