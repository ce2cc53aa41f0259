import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { joinLogs } from '../report/run-log.ts';
import { type CheckpointContent, saveCheckpoint } from './checkpoint.ts';
import { fileStore } from './file-store.ts';
import { checkpointKey, type CommittedCheckpoint, FINAL_NETWORK, fileName } from './format.ts';
import { loadNewestCheckpoint } from './load-checkpoint.ts';
import { stage, stagingFolder, uploadStaged } from './staging.ts';
import { mayWrite, someCheckpoint, temporaryFolder } from './test-checkpoints.ts';

/** A store with checkpoints after 10 and 20 images, saved by process 1, and a staging folder. */
async function run(t: TestContext) {
  const store = fileStore(await temporaryFolder(t));
  const at10 = await saveCheckpoint(store, someCheckpoint(10, 1), mayWrite);
  const at20 = await saveCheckpoint(store, someCheckpoint(20, 2, { parent: at10 }), mayWrite);
  return { store, at10, at20, folder: join(await temporaryFolder(t), 'staged') };
}

const of = (attempt: number, images: number, parent?: CommittedCheckpoint): CheckpointContent => {
  const content = someCheckpoint(images, images, { parent, phaseEnd: 4 });
  return { ...content, state: { ...content.state, attempt } };
};

test('what continues the newest checkpoint goes into the store, with its log lines, as if it had been saved there', async (t) => {
  const { store, at20, folder } = await run(t);
  const content = of(3, 30, at20);
  await stage(folder, of(2, 25, at20));
  await stage(folder, content);
  assert.match((await uploadStaged(folder, store, mayWrite)) ?? '', /after 30 images.* was saved first/);
  const { checkpoint } = (await loadNewestCheckpoint(store)) ?? assert.fail();
  const straight = fileStore(await temporaryFolder(t));
  await saveCheckpoint(straight, content, mayWrite);
  assert.deepEqual(checkpoint.manifest, (await loadNewestCheckpoint(straight))?.checkpoint.manifest);
  assert.equal((await joinLogs(store, undefined, assert.fail))['log.txt'], 'tick at 10\ntick at 20\ntick at 30\n');
  assert.deepEqual(await fileStore(folder).list(''), []);
});

test('the end of a phase that was saved already, but not as its end, is told the store, with its log lines', async (t) => {
  const { store, at20, folder } = await run(t);
  const end = someCheckpoint(20, 2, { parent: at20, phaseEnd: 4 });
  await stage(folder, end);
  assert.ok(await loadNewestCheckpoint(fileStore(folder)), 'what waits is whole');
  assert.match((await uploadStaged(folder, store, mayWrite)) ?? '', /after 20 images.* was saved first/);
  const { checkpoint } = (await loadNewestCheckpoint(store)) ?? assert.fail();
  assert.deepEqual({ ...checkpoint.manifest, segments: [] }, { ...at20.manifest, phaseEnd: 4, segments: [] });
  assert.equal((await joinLogs(store, undefined, assert.fail))['log.txt'], 'tick at 10\ntick at 20\ntick at 20\n');
  assert.deepEqual(await fileStore(folder).list(''), []);
});

test('the last checkpoint of a run brings the final network along', async (t) => {
  const { store, at20, folder } = await run(t);
  const content = { ...of(3, 30, at20), finalNetwork: { model: 'the averaged generator' } };
  await stage(folder, content);
  await uploadStaged(folder, store, mayWrite);
  const straight = fileStore(await temporaryFolder(t));
  await saveCheckpoint(straight, content, mayWrite);
  const network = (await store.read(FINAL_NETWORK)) ?? assert.fail();
  assert.ok(network.equals((await straight.read(FINAL_NETWORK)) ?? assert.fail()));
  assert.deepEqual(await fileStore(folder).list(''), []);
});

test('the first checkpoint of a run, and one whose process had saved a newer parent meanwhile, go into the store too', async (t) => {
  const { at10, store, folder } = await run(t);
  const empty = fileStore(await temporaryFolder(t));
  await stage(folder, of(1, 5));
  assert.match((await uploadStaged(folder, empty, mayWrite)) ?? '', /was saved first/);
  // Process 1 staged it when the checkpoint after 10 was the newest that it knew of; the one after 20 came through after all.
  await stage(folder, of(1, 30, at10));
  assert.match((await uploadStaged(folder, store, mayWrite)) ?? '', /was saved first/);
  assert.equal((await loadNewestCheckpoint(store))?.checkpoint.manifest.images, 30);
});

for (const [what, content] of [
  ['of a branch that another process has left behind', ({ at10 }) => of(2, 30, at10)],
  ['older than what is saved', ({ at10 }) => of(1, 15, at10)],
] as readonly (readonly [string, (seen: Awaited<ReturnType<typeof run>>) => CheckpointContent])[]) {
  test(`a staged checkpoint ${what} is dropped, and said`, async (t) => {
    const seen = await run(t);
    await stage(seen.folder, content(seen));
    assert.match((await uploadStaged(seen.folder, seen.store, mayWrite)) ?? '', /was dropped: the run has gone on without it/);
    assert.deepEqual((await loadNewestCheckpoint(seen.store))?.checkpoint.ref, seen.at20.ref);
    assert.deepEqual(await fileStore(seen.folder).list(''), []);
  });
}

test('a staged checkpoint that continues one of an emptied run folder is dropped', async (t) => {
  const { at20, folder } = await run(t);
  const emptied = { ...fileStore(await temporaryFolder(t)), uri: at20.ref.uri.replace(/\/checkpoints\/.*/, '') };
  await stage(folder, of(2, 30, at20));
  assert.match((await uploadStaged(folder, emptied, mayWrite)) ?? '', /was dropped/);
});

test('a damaged one is dropped with the reason', async (t) => {
  const { store, at20, folder } = await run(t);
  await stage(folder, of(2, 30, at20));
  await truncate(join(folder, checkpointKey(30), fileName('generator', 2)), 9);
  assert.match((await uploadStaged(folder, store, mayWrite)) ?? '', /is damaged and was dropped: .*generator-0002/);
});

test('each run has a folder of its own below PGGAN_SCRATCH; without it there is none', () => {
  const folders = [
    ['file:///a', 'f'],
    ['file:///b', 'f'],
    ['file:///a', 'g'],
  ].map(([uri = '', fingerprint = '']) => stagingFolder(uri, fingerprint, { PGGAN_SCRATCH: '/scratch' }));
  assert.equal(new Set(folders).size, 3);
  for (const folder of folders) assert.match(folder ?? '', /^\/scratch\/staged\/[0-9a-f]{32}$/);
  assert.equal(stagingFolder('file:///a', 'f', {}), undefined);
});
