import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startObjectStore } from '../../test/harness/object-store.ts';
import { saveCheckpoint } from './checkpoint.ts';
import { deleteRun } from './delete-run.ts';
import { fileStore } from './file-store.ts';
import { jsonBytes } from './format.ts';
import { findNewestCheckpoint } from './load-checkpoint.ts';
import { acquireRun, readOwner, systemClock } from './owner.ts';
import { openStore } from './open-store.ts';
import { RUN } from './run-folder.ts';
import type { Store } from './store.ts';
import { mayWrite, someCheckpoint, temporaryFolder } from './test-checkpoints.ts';
import { storeOn } from './test-s3.ts';

const OWNER = { cluster: 'local', namespace: 'default', name: 'tiny', uid: 'u1' };

const keysOf = async (store: Store): Promise<readonly string[]> => (await store.list('')).map(({ key }) => key);
const ignore = (): void => undefined;

/** A run with two checkpoints that its process has left in good order. */
async function run(store: Store): Promise<void> {
  const writer = await acquireRun(store, OWNER, systemClock);
  await store.write(RUN, [jsonBytes({ any: 'thing' })]);
  for (const images of [64, 128]) await saveCheckpoint(store, someCheckpoint(images, 1), mayWrite);
  await writer.release();
}

test('the owner of a run folder deletes all of it, and deleting what is gone is no error', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await run(store);
  assert.equal(await deleteRun(store, OWNER, { requested: false }, ignore), 0);
  assert.deepEqual(await keysOf(store), []);
  assert.equal(await deleteRun(store, OWNER, { requested: false }, ignore), 0);
});

test('a folder that somebody has removed already is deleted, and is not made again', async (t) => {
  const folder = join(await temporaryFolder(t), 'gone');
  assert.equal(await deleteRun(openStore(pathToFileURL(folder).href), OWNER, { requested: false }, ignore), 0);
  assert.ok(!existsSync(folder));
});

test('so it is in an object store, and the folder beside it stays', async (t) => {
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  const [store, beside] = ['x', 'x2'].map((name) => storeOn(server, {}, `s3://${server.bucket}/runs/${name}`)) as [Store, Store];
  await run(store);
  await run(beside);
  const kept = await keysOf(beside);
  assert.equal(await deleteRun(store, OWNER, { requested: false }, ignore), 0);
  assert.deepEqual([await keysOf(store), await keysOf(beside)], [[], kept]);
});

for (const [field, other] of Object.entries({ cluster: 'other', namespace: 'other', name: 'other', uid: 'u2' })) {
  test(`the run of another ${field} is left alone`, async (t) => {
    const store = fileStore(await temporaryFolder(t));
    await run(store);
    const before = await keysOf(store);
    await assert.rejects(deleteRun(store, { ...OWNER, [field]: other }, { requested: false }, ignore), {
      code: 'RunNotOurs',
      exitCode: 2,
      message: /belongs to training default\/tiny \(uid u1\) of cluster local, and is left alone$/,
    });
    assert.deepEqual(await keysOf(store), before);
  });
}

for (const within of ['research/other/owner.json', 'research/drawn/job.json', 'data/dataset.json']) {
  test(`a run is left alone in whose folder somebody has put ${within}`, async (t) => {
    const store = fileStore(await temporaryFolder(t));
    await run(store);
    await store.write(within, [jsonBytes({ any: 'thing' })]);
    const before = await keysOf(store);
    await assert.rejects(deleteRun(store, OWNER, { requested: false }, ignore), {
      code: 'RunNotOurs',
      message: new RegExp(`holds ${within.slice(0, within.lastIndexOf('/'))} of somebody else`),
    });
    assert.deepEqual(await keysOf(store), before);
  });
}

test('files that nobody has put his name to are left alone', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await store.write('thesis.txt', [Buffer.from('years of work')]);
  await assert.rejects(deleteRun(store, OWNER, { requested: false }, ignore), { code: 'RunNotOurs', message: /has no owner.json/ });
  assert.deepEqual(await keysOf(store), ['thesis.txt']);
});

test('a run that a process writes to is not deleted under it', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await run(store);
  await acquireRun(store, OWNER, systemClock);
  const before = await keysOf(store);
  await assert.rejects(deleteRun(store, OWNER, { requested: false }, ignore), { code: 'RunOwned' });
  assert.deepEqual(await keysOf(store), before);
});

test('a deletion that was interrupted anywhere leaves no run to go on with, and ends when it is asked for again', async (t) => {
  const whole = fileStore(await temporaryFolder(t));
  await run(whole);
  const objects = (await keysOf(whole)).length;
  for (let survives = 1; survives < objects; survives += 3) {
    const store = fileStore(await temporaryFolder(t));
    await run(store);
    let removed = 0;
    const remove: Store['remove'] = async (key) => {
      if (removed === survives) throw new Error('killed');
      removed += 1;
      await store.remove(key);
    };
    await assert.rejects(deleteRun({ ...store, remove }, OWNER, { requested: false }, ignore), /killed/);
    assert.equal(await store.head(RUN), undefined);
    if (removed >= 3) assert.equal(await findNewestCheckpoint(store), undefined);
    assert.equal((await readOwner(store))?.record.uid, OWNER.uid);
    assert.equal(await deleteRun(store, OWNER, { requested: false }, ignore), 0);
    assert.deepEqual(await keysOf(store), []);
  }
});

test('a deletion that is asked to stop ends between two objects', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await run(store);
  await assert.rejects(deleteRun(store, OWNER, { requested: true }, ignore), { code: 'Interrupted', exitCode: 75 });
  assert.equal((await readOwner(store))?.record.holder, null);
});
