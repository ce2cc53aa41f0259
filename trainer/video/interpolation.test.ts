import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { meanDifference } from '../../test/harness/ffmpeg.ts';
import { prepareBackend } from '../backend/backend.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { importSnapshot } from '../checkpoint/legacy/import.ts';
import { pythonSnapshots } from '../checkpoint/legacy/test-snapshots.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { openGenerator } from '../synthesis/open-generator.ts';
import { interpolationFrames, interpolationSize } from './interpolation.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('a walk is a closed path that its seed decides, in frames of readable size', async (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  const store = fileStore(await temporaryFolder(t));
  const source = { name: 'x.pkl', uri: 'file:///x.pkl', bytes: python.read('numpy2-protocol4'), modified: new Date(0), kimg: 1 };
  await importSnapshot(store, source, {}, new Date(0));
  const generator = await openGenerator(store.uri);
  const grid = { columns: 3, rows: 2 };
  // 8x8 pixels, 32 times as large: two rows of them are the 512 that a frame may be high.
  assert.deepEqual(interpolationSize(generator, grid), { width: 768, height: 512 });
  const walk = (seed: number) =>
    [...interpolationFrames(generator, { ...grid, frames: 12, sigmaFrames: 2, seed, mode: 'graph' })].map(({ data }) => data);
  const [first, again, other] = [walk(1), walk(1), walk(2)];
  assert.equal(first.length, 12);
  assert.deepEqual(first, again);
  assert.notDeepEqual(first[3], other[3]);
  const nothing = new Uint8Array(1);
  const step = (from: number, to: number): number => meanDifference(first[from] ?? nothing, first[to] ?? nothing);
  assert(step(11, 0) < step(0, 6) && step(0, 1) < step(0, 6), 'neighbours differ more than opposites');
});
