import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Waiting } from '../../crds/progress.ts';
import { fileStore } from './file-store.ts';
import { checkpointKey, type CommittedCheckpoint, MANIFEST } from './format.ts';
import { findNewestCheckpoint, loadNewestCheckpoint } from './load-checkpoint.ts';
import { acquireRun, readOwner, systemClock } from './owner.ts';
import { startSaver } from './saver.ts';
import type { SaveJob } from './saver-worker.ts';
import { uploadStaged } from './staging.ts';
import { mayWrite, someCheckpoint, temporaryFolder } from './test-checkpoints.ts';

const OWNER = { cluster: 'test', namespace: 'default', name: 'tiny', uid: 'u' };

async function saverFor(t: TestContext, root: string, staging?: string) {
  const store = fileStore(root);
  const writer = await acquireRun(store, OWNER, systemClock);
  const committed: CommittedCheckpoint[] = [];
  const waits: (Waiting | undefined)[] = [];
  let waited = Promise.withResolvers<void>();
  const saver = startSaver(
    { uri: pathToFileURL(root).href, s3: undefined, owner: writer.record, retention: { keepLast: 2 }, newest: undefined, staging },
    {
      committed: (checkpoint) => void committed.push(checkpoint),
      waiting(reason) {
        waits.push(reason);
        waited.resolve();
        waited = Promise.withResolvers();
      },
      remark: (text) => assert.fail(text),
    },
  );
  t.after(() => {
    saver.stop();
    return saver.close();
  });
  /** Resolves when the save in flight next tells what it waits for. */
  const nextWait = (): Promise<void> => waited.promise;
  return { store, writer, saver, committed, waits, nextWait };
}

const job = (images: number, more: Partial<SaveJob> & { readonly parent?: CommittedCheckpoint | undefined } = {}): SaveJob => {
  const { parent, ...rest } = more;
  return { content: someCheckpoint(images, images, { parent }), logs: { 'log.txt': `up to ${images}\n` }, last: false, ...rest };
};

test('a checkpoint is saved, with its logs and retention, while the main thread is blocked; its tensors are moved, not copied', async (t) => {
  const root = await temporaryFolder(t);
  const { store, saver, committed } = await saverFor(t, root);
  for (const images of [1, 2]) assert.deepEqual(await saver.save(job(images, { parent: committed.at(-1) })), { kind: 'saved' });
  const third = job(3, { parent: committed.at(-1) });
  const saving = saver.save(third);
  assert.ok(saver.busy);
  blockUntil(() => existsSync(join(root, checkpointKey(3), MANIFEST)) && !existsSync(join(root, checkpointKey(1))));
  assert.deepEqual(await saving, { kind: 'saved' });
  assert.equal(third.content.files.generator.tensors.get('4x4/Dense/weight')?.data.byteLength, 0);
  assert.deepEqual(
    committed.map(({ manifest }) => manifest.images),
    [1, 2, 3],
  );
  assert.deepEqual((await loadNewestCheckpoint(store))?.checkpoint.ref, committed[2]?.ref);
  assert.equal(String(await store.read('log.txt')), 'up to 3\n');
});

test('a run taken by another process is told at the next look, and nothing is saved', async (t) => {
  const root = await temporaryFolder(t);
  const { store, saver } = await saverFor(t, root);
  const found = (await readOwner(store)) ?? assert.fail();
  await store.write('owner.json', [Buffer.from(JSON.stringify({ ...found.record, epoch: 2 }))]);
  await assert.rejects(saver.save(job(1)), { name: 'PgganError', code: 'RunOwned' });
  assert.throws(() => saver.check(), { code: 'RunOwned' });
  assert.equal(await findNewestCheckpoint(store), undefined);
});

test('a store that is away is asked again, with the reason told, and the save goes through when it is back', async (t) => {
  const root = await temporaryFolder(t);
  const { store, saver, waits, nextWait } = await saverFor(t, root);
  const away = nextWait();
  await writeFile(join(root, 'checkpoints'), 'a file where a folder should be');
  const saving = saver.save(job(1));
  await away;
  assert.equal(waits[0]?.code, 'StoreUnavailable');
  assert.match(waits[0]?.message ?? '', /checkpoints.*a part of the path is a file, not a folder/);
  await store.remove('checkpoints');
  assert.deepEqual(await saving, { kind: 'saved' });
  assert.equal(waits.at(-1), undefined);
});

test('when a stop is asked for, the save that waits is given up, and the last one is staged and goes into the store at the next start', async (t) => {
  const root = await temporaryFolder(t);
  const staging = join(await temporaryFolder(t), 'staged');
  const { store, writer, saver, committed, nextWait } = await saverFor(t, root, staging);
  await saver.save(job(1));
  const parent = committed[0];
  await rename(join(root, 'checkpoints'), join(root, 'kept'));
  await writeFile(join(root, 'checkpoints'), 'the store is away');
  const away = nextWait();
  const given = saver.save(job(2, { parent }));
  await away;
  saver.stop();
  const last = await saver.save(job(3, { parent, last: true }));
  assert.deepEqual(await given, { kind: 'abandoned' });
  assert.equal(last.kind, 'staged');
  await saver.close();
  await writer.release();

  await store.remove('checkpoints');
  await rename(join(root, 'kept'), join(root, 'checkpoints'));
  assert.match((await uploadStaged(staging, store, mayWrite)) ?? '', /after 3 images, which waited in .*, was saved first/);
  const { checkpoint } = (await loadNewestCheckpoint(store)) ?? assert.fail();
  assert.deepEqual([checkpoint.manifest.images, checkpoint.manifest.parent], [3, parent?.ref]);
  assert.equal(await uploadStaged(staging, store, mayWrite), undefined, 'it is staged no more');
});

/** Blocks this thread, as a training step does. */
function blockUntil(holds: () => boolean): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'nothing happened while the main thread was blocked');
    Atomics.wait(never, 0, 0, 5);
  }
}
