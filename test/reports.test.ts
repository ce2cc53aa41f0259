/** The reports of a real run, as their readers see them: log, metrics, TensorBoard and pictures tell the same story. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { decode } from 'fast-png';
import { openDataset } from '../trainer/data/dataset.ts';
import { prepareBackend } from '../trainer/backend/backend.ts';
import { gridPicture } from '../trainer/report/grid.ts';
import { openGenerator } from '../trainer/synthesis/open-generator.ts';
import { createRandom } from '../trainer/train/random.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { tensorboardScalars } from './harness/tensorboard.ts';
import { createWorkspace, uriOf, type Workspace } from './harness/tiny-training.ts';

type Metrics = {
  readonly tick: number;
  readonly images: number;
  readonly lod: number;
  readonly realScores: number;
  readonly generator: number;
};

suite('the reports of a run', { concurrency: false }, () => {
  let workspace: Workspace;
  let run: string;
  before(async () => {
    workspace = await createWorkspace(8);
    run = workspace.runFolder('tiny', 'reported');
  });
  after(() => workspace.remove());
  const text = (name: string): string => readFileSync(join(run, name), 'utf8');
  const metrics = (): readonly Metrics[] =>
    text('metrics.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Metrics);

  test('log.txt and metrics.jsonl have a line for every tick, in the reference’s format and in JSON', async (t) => {
    const schedule = { initialResolution: 8, minibatchBase: 16, tickKimgBase: 1 };
    await succeeded(pggan(t, ['start', workspace.manifest('tiny', 'reported', { totalKimg: 3, schedule })]));
    const pattern =
      /^tick (\d+) +kimg (\d+\.\d) +lod (\d\.\d\d) +minibatch (\d+) +time (?:\d+m )?\d+s +sec\/tick \d+\.\d +sec\/kimg \d+\.\d\d +maintenance \d+\.\d$/;
    const lines = text('log.txt')
      .split('\n')
      .flatMap((line) => (line.startsWith('tick ') ? [pattern.exec(line) ?? assert.fail(line)] : []));
    assert.deepEqual(
      lines.map(([, tick, kimg, lod, minibatch]) => [Number(tick), kimg, lod, minibatch]),
      metrics().map(({ tick, images, lod }) => [tick, (images / 1000).toFixed(1), lod.toFixed(2), '16']),
    );
    assert.equal(lines.length, 3);
  });

  test('TensorBoard shows the ticks of metrics.jsonl, value for value', (t) => {
    const shown = tensorboardScalars(t, run);
    if (shown === undefined) return;
    for (const [tag, field] of [
      ['Loss/real_scores', 'realScores'],
      ['Loss/generator', 'generator'],
      ['Progress/lod', 'lod'],
    ] as const) {
      const points: unknown = shown[tag]?.map(([, step, value]) => [step, value]);
      assert.deepEqual(
        points,
        metrics().map((tick) => [tick.images, Math.fround(tick[field])]),
        tag,
      );
    }
  });

  test('reals.png shows images of the dataset, and the last fakes those of the averaged generator for the run’s fixed latents', async () => {
    const [columns, rows] = [16, 9];
    const dataset = await openDataset(uriOf(workspace.dataset));
    const all = dataset.read(
      8,
      Array.from({ length: dataset.images }, (_, i) => i),
    );
    dataset.close();
    const known = new Set(
      Array.from({ length: dataset.images }, (_, i) => Buffer.from(all.subarray(i * 64, (i + 1) * 64)).toString('hex')),
    );
    const reals = decode(readFileSync(join(run, 'samples/reals.png')));
    assert.deepEqual([reals.width, reals.height, reals.channels], [columns * 8, rows * 8, 1]);
    const cells = Array.from({ length: columns * rows }, (_, cell) => cellOf(Uint8Array.from(reals.data), columns, cell));
    for (const [cell, image] of cells.entries()) assert(known.has(image), `cell ${cell} of reals.png is no image of the dataset`);
    assert.equal(new Set(cells).size, columns * rows, 'an image is shown twice');

    assert.equal((await prepareBackend({ threads: 1, want: 'native' })).kind, 'native');
    const generator = await openGenerator(uriOf(run));
    const sampler = generator.sampler(16, 'graph');
    const latents = createRandom(1000).normal('grid/latents', 0, columns * rows * generator.shape.latentSize);
    const drawn = gridPicture({ data: sampler.sample({ latents }), shape: [columns * rows, 8, 8, 1] }, { columns, rows });
    sampler.dispose();
    const fakes = decode(readFileSync(join(run, 'samples/fakes000003.png')));
    const furthest = drawn.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (fakes.data[i] ?? Number.NaN))), 0);
    // Another minibatch is another order of sums: a value at a rounding boundary may fall on its other side.
    assert(furthest <= 1, `fakes000003.png is off by ${furthest} grey levels`);
  });
});

/** The 8x8 pixels of a cell in hex. */
function cellOf(grid: Uint8Array, columns: number, cell: number): string {
  const [left, top] = [(cell % columns) * 8, Math.floor(cell / columns) * 8];
  return Array.from({ length: 8 }, (_, y) =>
    Buffer.from(grid.subarray((top + y) * columns * 8 + left).subarray(0, 8)).toString('hex'),
  ).join('');
}
