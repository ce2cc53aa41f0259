/** `pggan evaluate` from the outside: a table over all snapshots of a run that has grown, and the picture that shows copying. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { decode } from 'fast-png';
import { openDataset } from '../trainer/data/dataset.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { createWorkspace, uriOf, type Workspace } from './harness/tiny-training.ts';

suite('an evaluation', { concurrency: false }, () => {
  let workspace: Workspace;
  before(async () => {
    // Twice as large as the run makes its images.
    workspace = await createWorkspace(16);
  });
  after(() => workspace.remove());

  test('lists every snapshot, newest first, those before full resolution too, and shows the nearest training image of 16 fakes', async (t) => {
    await succeeded(pggan(t, ['start', workspace.manifest('tiny', 'measured', { resolution: 8 })]));
    const picture = join(workspace.folder, 'nearest.png');
    const nowhere = pggan(t, [
      'evaluate',
      workspace.runFolder('tiny', 'measured'),
      '--nearest',
      join(workspace.folder, 'none/nearest.png'),
    ]);
    assert.equal((await nowhere.ended).code, 4);
    assert.match(nowhere.errors.join('\n'), /^error: StoreUnavailable: cannot write .*none\/nearest\.png: the folder is not there$/m);
    const evaluation = pggan(t, [
      'evaluate',
      workspace.runFolder('tiny', 'measured'),
      '--metrics',
      'moments,msssim',
      '--num-images',
      '32',
      '--all',
      '--json',
      '--nearest',
      picture,
    ]);
    await succeeded(evaluation);
    const { rows, nearest } = JSON.parse(evaluation.lines.join('\n')) as {
      readonly rows: readonly { readonly snapshot: string; readonly images: number }[];
      readonly nearest: { readonly fakes: readonly { readonly index: number; readonly rmse: number }[]; readonly realsRmse: number };
    };
    assert.deepEqual(
      rows.map(({ snapshot }) => snapshot),
      ['Reals', '4', '3', '2', '1'],
    );
    assert(rows.every(({ images }) => images === 32));
    assert.equal(nearest.fakes.length, 16);
    assert(nearest.realsRmse > 0);

    const { width, data } = decode(readFileSync(picture));
    assert.equal(width, 8 * 128);
    const cell = (column: number, row: number): number[] =>
      Array.from({ length: 64 }, (_, pixel) => {
        const [x, y] = [column * 128 + (pixel % 8) * 16, row * 128 + Math.floor(pixel / 8) * 16];
        return data[y * width + x] ?? -1;
      });
    const dataset = await openDataset(uriOf(workspace.dataset));
    t.after(() => dataset.close());
    for (const [place, { index, rmse }] of nearest.fakes.entries()) {
      const [column, row] = [place % 8, 2 * Math.floor(place / 8)];
      const [fake, neighbour] = [cell(column, row), cell(column, row + 1)];
      assert.deepEqual(neighbour, [...dataset.read(8, [index])], `below fake ${place} stands training image ${index}`);
      const squares = fake.reduce((sum, value, at) => sum + (value - (neighbour[at] ?? 0)) ** 2, 0);
      assert(Math.abs(Math.sqrt(squares / 64) - rmse) < 1e-9);
    }
  });
});
