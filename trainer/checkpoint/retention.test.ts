import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PgganError } from '../../crds/errors.ts';
import { saveCheckpoint } from './checkpoint.ts';
import { fileStore } from './file-store.ts';
import { type CommittedCheckpoint, checkpointKey, fileName, MANIFEST } from './format.ts';
import { listCheckpoints, loadNewestCheckpoint } from './load-checkpoint.ts';
import { applyRetention } from './retention.ts';
import type { Store } from './store.ts';
import { mayWrite, someCheckpoint, temporaryFolder } from './test-checkpoints.ts';

/** Saves a chain of checkpoints; those in `phaseEnds` end a phase. */
async function chain(store: Store, images: readonly number[], phaseEnds: readonly number[] = []): Promise<CommittedCheckpoint> {
  let parent: CommittedCheckpoint | undefined;
  for (const at of images)
    parent = await saveCheckpoint(store, someCheckpoint(at, at, { parent, phaseEnd: phaseEnds.includes(at) ? 4 : undefined }), mayWrite);
  return parent ?? assert.fail();
}

async function lost(): Promise<void> {
  throw new PgganError('RunOwned', 'taken');
}

const imagesIn = async (store: Store) => (await listCheckpoints(store)).map(({ images }) => images);

test('the last N are kept besides every phase end, the rest goes', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const newest = await chain(store, [1, 2, 3, 4, 5, 6], [2, 6]);
  await applyRetention(store, newest, { keepLast: 2 }, mayWrite);
  assert.deepEqual(await imagesIn(store), [6, 5, 4, 2]);
  assert.deepEqual(await applyRetention(store, newest, { keepLast: 2 }, mayWrite), [], 'a second time there is nothing to do');
});

test('the best by a metric are kept as well, of those that were measured', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  let parent: CommittedCheckpoint | undefined;
  for (const [images, swd] of [[1, 9], [2, 3], [3], [4, 2], [5, 8], [6, 7]] as const) {
    const metrics = swd === undefined ? undefined : { swd, msssim: 0.1 };
    parent = await saveCheckpoint(store, someCheckpoint(images, images, { parent, metrics }), mayWrite);
  }
  const newest = parent ?? assert.fail();
  await applyRetention(store, newest, { keepLast: 1, keepBest: { metric: 'swd', count: 2 } }, mayWrite);
  assert.deepEqual(await imagesIn(store), [6, 4, 2]);
  await applyRetention(store, newest, { keepLast: 1, keepBest: { metric: 'fid', count: 2 } }, mayWrite);
  assert.deepEqual(await imagesIn(store), [6], 'nothing was measured by that metric');
});

test('files that a late writer left in a good checkpoint’s folder go, its own stay', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const newest = await chain(store, [1, 2]);
  for (const images of [1, 2]) await store.write(checkpointKey(images) + fileName('generator', 7), [Buffer.from('x')]);
  assert.deepEqual(
    (await applyRetention(store, newest, { keepLast: 2 }, mayWrite)).toSorted(),
    [1, 2].map((images) => checkpointKey(images) + fileName('generator', 7)),
  );
  assert.deepEqual((await loadNewestCheckpoint(store))?.checkpoint.ref, newest.ref);
});

test('unfinished uploads and damaged checkpoints older than the newest go; newer ones stay', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const newest = await chain(store, [10, 20, 30]);
  const part = [Buffer.from('x')];
  await store.write(`${checkpointKey(15)}generator.safetensors`, part);
  await store.write(`${checkpointKey(40)}generator.safetensors`, part);
  await store.remove(`${checkpointKey(20)}${fileName('state', 1)}`);
  await store.write(`${checkpointKey(10)}${MANIFEST}`, part);
  await applyRetention(store, newest, { keepLast: 3 }, mayWrite);
  assert.deepEqual(await imagesIn(store), [40, 30]);
});

test('a checkpoint of a newer version of this software is left alone, with all logs', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const newest = await chain(store, [10, 20]);
  await store.write(`${checkpointKey(10)}${MANIFEST}`, [Buffer.from('{"version": 2}')]);
  await store.write('logs/future.log.txt', [Buffer.from('x')]);
  assert.deepEqual(await applyRetention(store, newest, { keepLast: 1 }, mayWrite), []);
});

test('nothing of this is anybody else’s: other objects of the run folder are never touched', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const newest = await chain(store, [10, 20]);
  for (const key of ['run.json', 'samples/reals.png', 'checkpoints/notes.txt', 'checkpoints/old/x'])
    await store.write(key, [Buffer.from('x')]);
  await applyRetention(store, newest, { keepLast: 1 }, mayWrite);
  for (const key of ['run.json', 'samples/reals.png', 'checkpoints/notes.txt', 'checkpoints/old/x']) assert.ok(await store.head(key), key);
});

test('a process that has lost the run deletes nothing', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const newest = await chain(store, [10, 20]);
  await assert.rejects(applyRetention(store, newest, { keepLast: 1 }, lost), { code: 'RunOwned' });
  assert.deepEqual(await imagesIn(store), [20, 10]);
});

test('a retention cut off after any deletion leaves no checkpoint that looks whole and is not', async (t) => {
  const folder = fileStore(await temporaryFolder(t));
  const newest = await chain(folder, [10, 20]);
  let left = 1;
  const store: Store = {
    ...folder,
    remove: async (key) => {
      if (left-- === 0) throw new PgganError('StoreUnavailable', 'gone');
      await folder.remove(key);
    },
  };
  await assert.rejects(applyRetention(store, newest, { keepLast: 1 }, mayWrite), { code: 'StoreUnavailable' });
  assert.deepEqual(
    (await listCheckpoints(folder)).map(({ committed }) => committed),
    [true, false],
  );
});

test('whatever is kept, the newest checkpoint loads afterwards and no log segment is left that no checkpoint names', async (t) => {
  const base = await temporaryFolder(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 5 }),
      fc.nat(4),
      async (keepLast, unsorted, ends) => {
        const store = fileStore(`${base}/${run++}`);
        const images = unsorted.sort((a, b) => a - b);
        const newest = await chain(store, images, images.slice(0, ends));
        await store.write('logs/000000-0009.log.txt', [Buffer.from('of a killed branch')]);
        await applyRetention(store, newest, { keepLast }, mayWrite);
        const found = await loadNewestCheckpoint(store);
        assert.deepEqual(found?.checkpoint.ref, newest.ref);
        const within = images.slice(ends);
        const expected = images.filter((at, index) => index < ends || within.slice(-keepLast).includes(at));
        assert.deepEqual((await imagesIn(store)).toReversed(), expected);
        assert.deepEqual(
          (await store.list('logs/')).map(({ key }) => key),
          found?.checkpoint.manifest.segments.map(({ key }) => key),
        );
      },
    ),
    { numRuns: 15 },
  );
});
