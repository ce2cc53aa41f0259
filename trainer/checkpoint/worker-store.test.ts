import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { temporaryFolder } from './test-checkpoints.ts';
import { type WorkerStore, workerStore } from './worker-store.ts';

function storeIn(t: TestContext, folder: string): WorkerStore {
  const store = workerStore(pathToFileURL(folder).href);
  t.after(() => store.close());
  return store;
}

/** Blocks this thread, as a training step does, until a file is there. */
function blockUntilThere(path: string): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + 60_000;
  while (!existsSync(path)) {
    assert.ok(performance.now() < deadline, `${path} was not written while the main thread was blocked`);
    Atomics.wait(never, 0, 0, 5);
  }
}

test('a write that was asked for is carried out while the main thread is blocked', async (t) => {
  const root = await temporaryFolder(t);
  const store = storeIn(t, root);
  const written = store.write('checkpoints/a', [Buffer.alloc(3_000_000, 'a'), Buffer.from('b')]);
  blockUntilThere(join(root, 'checkpoints/a'));
  assert.equal((await written)?.size, 3_000_001);
  assert.equal((await store.read('checkpoints/a'))?.subarray(-2).toString(), 'ab');
});

test('parts may change once write has been called; parts in shared memory are handed over as they are', async (t) => {
  const root = await temporaryFolder(t);
  const store = storeIn(t, root);
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 4).fill(1);
  const own = new Uint8Array(new ArrayBuffer(1 << 20), 100, 3).fill(2);
  const written = store.write('a', [own, shared, new Uint8Array()]);
  own.fill(9);
  await written;
  assert.deepEqual([...(await readFile(join(root, 'a')))], [2, 2, 2, 1, 1, 1, 1]);
});

test('errors keep their code and their message on the way out of the thread', async (t) => {
  const root = await temporaryFolder(t);
  await writeFile(join(root, 'file'), '');
  const store = storeIn(t, join(root, 'file'));
  await assert.rejects(store.write('a', [Buffer.from('x')]), {
    name: 'PgganError',
    code: 'StoreUnavailable',
    message: /cannot write a in file:/,
  });
  await assert.rejects(store.read('../a'), { code: 'OptionsInvalid', message: /is no key of a store/ });
  assert.throws(() => workerStore('pvc://claim/x'), { code: 'OptionsInvalid' });
});

test('a thread that dies fails what it was asked for, and the next call starts another', async (t) => {
  const root = await temporaryFolder(t);
  const store = storeIn(t, root);
  const created: Worker[] = [];
  const listen = (message: unknown): void => void created.push((message as { readonly worker: Worker }).worker);
  subscribe('worker_threads', listen);
  t.after(() => unsubscribe('worker_threads', listen));
  const lost = store.write('a', [Buffer.alloc(1 << 20)]);
  void created[0]?.terminate();
  await assert.rejects(lost, { code: 'StoreUnavailable', message: /thread .* is gone/ });
  assert.equal((await store.write('a', [Buffer.from('again')]))?.size, 5);
  assert.equal(created.length, 2);
});
