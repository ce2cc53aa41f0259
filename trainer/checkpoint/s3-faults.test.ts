import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Fault, type FaultProxy, startFaultProxy } from '../../test/harness/fault-proxy.ts';
import { type ObjectStore, startObjectStore } from '../../test/harness/object-store.ts';
import { OBJECT_STORES } from '../../test/harness/object-store-servers.ts';
import { connect } from './s3/connection.ts';
import { listUploads } from './s3/requests.ts';
import type { S3StoreOptions } from './s3-store.ts';
import type { Store } from './store.ts';
import { quickTime, storeOn } from './test-s3.ts';

const LARGE_BYTES = 40_000_000;
const large = (fill: string): readonly Uint8Array[] => [Buffer.alloc(LARGE_BYTES, fill)];
const text = (value: string): readonly Uint8Array[] => [Buffer.from(value)];
const isPart = ({ method, url }: { readonly method: string; readonly url: string }): boolean =>
  method === 'PUT' && url.includes('partNumber=');

type Surroundings = { readonly server: ObjectStore; readonly proxy: FaultProxy; readonly store: (change?: S3StoreOptions) => Store };

async function behindProxy(t: TestContext, kind: ObjectStore['kind']): Promise<Surroundings | undefined> {
  const server = await startObjectStore(t, kind);
  if (!server) return undefined;
  const proxy = await startFaultProxy(t, server.port);
  return { server, proxy, store: (change) => storeOn(server, { s3: { endpoint: proxy.endpoint }, ...change }) };
}

for (const kind of OBJECT_STORES) {
  test(`what goes wrong on the way to ${kind} is tried again`, async (t) => {
    const surroundings = await behindProxy(t, kind);
    if (!surroundings) return;
    const { server, proxy, store } = surroundings;
    const direct = storeOn(server);

    await t.test('an upload that is cut: nothing of it is seen, and the next attempt completes it', async () => {
      await direct.write('cut', large('a'));
      const before = await direct.head('cut');
      const seen: unknown[] = [];
      proxy.fail({ kind: 'cutUpload', afterBytes: 3_000_000 }, isPart, 3);
      const time = { ...quickTime(), sleep: async () => void seen.push(await direct.head('cut')) };
      assert.equal((await store({ time }).write('cut', large('b')))?.size, LARGE_BYTES);
      assert.deepEqual(seen, [before, before, before]);
      assert.equal(Buffer.compare((await direct.read('cut')) ?? Buffer.alloc(0), Buffer.alloc(LARGE_BYTES, 'b')), 0);
      assert.deepEqual(await leftovers(server, 'cut'), []);
    });

    await t.test('a download that is cut goes on where it was cut', async () => {
      await direct.write('down', large('d'));
      const from = proxy.seen.length;
      proxy.fail({ kind: 'cutDownload', afterBytes: 5_000_000 }, ({ method }) => method === 'GET', 2);
      const time = quickTime();
      const bytes = await store({ time }).read('down');
      assert.equal(Buffer.compare(bytes ?? Buffer.alloc(0), Buffer.alloc(LARGE_BYTES, 'd')), 0);
      assert.equal(proxy.seen.length - from, 3 + 2, 'three ranges, two of which were cut once');
      assert.equal(time.delays.length, 2);
    });

    const passing: readonly Fault[] = [
      { kind: 'answer', status: 500, code: 'InternalError' },
      { kind: 'answer', status: 503, code: 'SlowDown' },
      { kind: 'answer', status: 429, code: 'TooManyRequests' },
      { kind: 'answer', status: 502, code: '' },
      { kind: 'answer', status: 400, code: 'RequestTimeout' },
      { kind: 'silent' },
    ];
    for (const fault of passing) {
      const name = fault.kind === 'answer' ? `${fault.status} ${fault.code}` : 'silence';
      const twice = <T>(verb: () => Promise<T>): Promise<T> => {
        proxy.fail(fault, undefined, 2);
        return verb();
      };
      await t.test(`${name}, twice, is waited out by every verb`, async () => {
        const time = quickTime();
        const flaky = store({ time, idleSeconds: 0.3 });
        const entry = await twice(() => flaky.write('a', text('x')));
        assert.equal(entry?.size, 1);
        assert.deepEqual(await twice(() => flaky.head('a')), entry);
        assert.equal(String(await twice(() => flaky.read('a'))), 'x');
        assert.ok((await twice(() => flaky.list('a'))).some(({ key }) => key === 'a'));
        await twice(() => flaky.remove('a'));
        assert.equal(await flaky.head('a'), undefined);
        // A refused HEAD is asked again at once as a GET, which met the second fault.
        assert.ok(time.delays.length >= 9);
      });
    }

    await t.test(
      'requests that hang are given up soon after the process was asked to end, whatever a connection may stand still for',
      async () => {
        let stopped = false;
        const hanging = store({ idleSeconds: 3600, hurried: () => stopped });
        proxy.fail({ kind: 'silent' }, ({ url }) => url.includes('/stuck'), 100);
        const verbs = [hanging.read('stuck-1'), hanging.write('stuck-2', text('x'))];
        const ended = Promise.allSettled(verbs);
        for (const name of ['stuck-1', 'stuck-2']) await proxy.arrived(({ url }) => url.includes(name));
        stopped = true;
        for (const end of await ended) {
          assert.ok(end.status === 'rejected');
          assert.match(String(end.reason), /\(ETIMEDOUT\)/);
        }
      },
    );

    await t.test('a slow answer is waited for', async () => {
      proxy.fail({ kind: 'delay', seconds: 0.2 });
      assert.deepEqual(await store({ idleSeconds: 5 }).read('none'), undefined);
    });

    await t.test('a conditional write whose answer was lost is not taken for a lost race', async () => {
      const lossy = store();
      proxy.fail({ kind: 'loseAnswer' }, ({ method }) => method === 'PUT');
      const first = await lossy.write('owner.json', text('1'), { kind: 'absent' });
      assert.equal(first?.size, 1);
      proxy.fail({ kind: 'loseAnswer' }, ({ method }) => method === 'PUT');
      const second = await lossy.write('owner.json', text('22'), { kind: 'version', version: first.version });
      assert.deepEqual(await direct.head('owner.json'), second);
      proxy.fail({ kind: 'loseAnswer' }, ({ method }) => method === 'PUT');
      assert.equal(await lossy.write('owner.json', text('333'), { kind: 'absent' }), undefined, 'a race that was lost is lost');
      assert.equal(String(await direct.read('owner.json')), '22');
    });

    await t.test('an upload in parts whose last answer was lost is complete', async () => {
      proxy.fail({ kind: 'loseAnswer' }, ({ method, url }) => method === 'POST' && url.includes('uploadId='));
      const entry = await store().write('once', large('o'), { kind: 'absent' });
      assert.deepEqual(await direct.head('once'), entry);
      assert.deepEqual(await leftovers(server, 'once'), []);
    });

    await t.test('an upload that somebody else removed is begun again', async () => {
      proxy.fail({ kind: 'answer', status: 404, code: 'NoSuchUpload' }, isPart);
      assert.equal((await store().write('again', large('g')))?.size, LARGE_BYTES);
    });

    await t.test('a server that is killed and started again: the upload under way completes', async () => {
      let restarted: Promise<void> | undefined;
      const restart = (): Promise<void> => (restarted ??= server.kill().then(() => server.start()));
      const time = { ...quickTime(), sleep: restart };
      proxy.fail({ kind: 'cutUpload', afterBytes: 1_000_000 }, isPart);
      assert.equal((await store({ time }).write('restart', large('r')))?.size, LARGE_BYTES);
      assert.ok(restarted);
      assert.equal((await direct.read('restart'))?.length, LARGE_BYTES);
    });

    await t.test('trouble that does not pass is StoreUnavailable; nothing half-written is seen', async () => {
      const time = quickTime();
      const failing = store({ time });
      await failing.list('');
      proxy.fail({ kind: 'answer', status: 503, code: 'SlowDown' }, isPart, 1000);
      await assert.rejects(failing.write('never', large('n')), {
        code: 'StoreUnavailable',
        message:
          /cannot write never in s3:\/\/pggan\/runs \(PUT to .*\): the server is busy or in trouble \(503 SlowDown: by a test\), \d+ times in 1\d\d s/,
      });
      assert.equal(await direct.head('never'), undefined);
      assert.deepEqual(await leftovers(server, 'never'), []);
    });
  });

  test(`an uploader to ${kind} that is killed leaves the old object whole, and the next process removes what it left`, async (t) => {
    const surroundings = await behindProxy(t, kind);
    if (!surroundings) return;
    const { server, proxy } = surroundings;
    const store = storeOn(server);
    await store.write('a', text('old'));
    proxy.fail({ kind: 'silent' }, ({ url }) => url.includes('partNumber=2'));
    const script = `
      import { s3Store } from ${JSON.stringify(new URL('./s3-store.ts', import.meta.url).href)};
      await s3Store('s3://pggan/runs', { s3: { endpoint: process.argv[1] } }).write('a', [Buffer.alloc(${LARGE_BYTES})]);`;
    const uploader = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, proxy.endpoint], {
      stdio: 'inherit',
      env: { ...process.env, ...server.env },
    });
    t.after(() => uploader.kill('SIGKILL'));
    await proxy.arrived(({ url }) => url.includes('partNumber=3'));
    assert.equal((await leftovers(server, 'a')).length, 2, 'the upload and its mark');
    assert.deepEqual(
      (await store.list('')).map(({ key }) => key),
      ['a'],
    );
    assert.equal((await leftovers(server, 'a')).length, 2, 'its writer lives: nobody removes it');
    const ended = new Promise((resolve) => uploader.once('exit', resolve));
    uploader.kill('SIGKILL');
    await ended;
    assert.equal(String(await store.read('a')), 'old');
    assert.deepEqual(
      (await store.list('')).map(({ key }) => key),
      ['a'],
    );
    assert.deepEqual(await leftovers(server, 'a'), []);
  });

  test(`a byte that changes on the disk of ${kind} is found when the object is read`, async (t) => {
    const server = await startObjectStore(t, kind);
    if (!server) return;
    const store = storeOn(server);
    await store.write('checkpoints/x', large('x'));
    await flipByte(join(server.folder, server.bucket, 'runs/checkpoints/x'));
    await assert.rejects(store.read('checkpoints/x'), { code: 'CheckpointInvalid', message: /checkpoints\/x .*is damaged in the store/ });
  });
}

test('a folder of more objects than one page is listed whole', async (t) => {
  const server = await startObjectStore(t, 'versitygw');
  if (!server) return;
  const store = storeOn(server);
  const keys = Array.from({ length: 1100 }, (_, index) => `images/${String(index).padStart(6, '0')}.png`);
  for (let first = 0; first < keys.length; first += 50)
    await Promise.all(keys.slice(first, first + 50).map((key) => store.write(key, text(key))));
  assert.deepEqual(
    (await store.list('images/')).map(({ key }) => key),
    keys,
  );
});

/** Unfinished uploads of an object, and marks of uploads. */
async function leftovers(server: ObjectStore, key: string): Promise<readonly string[]> {
  const connection = connect(server.bucket, server.options, server.env, () => 30);
  const uploads = await listUploads(connection, `runs/${key}`);
  const marks = await readdir(join(server.folder, server.bucket, 'runs/.unfinished')).catch(() => []);
  return [...uploads, ...marks];
}

/** Changes a byte in the file, or in the largest of the folder's files. */
async function flipByte(path: string): Promise<void> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
  const file = entries ? entries.filter((entry) => entry.name === 'part.1').map((entry) => join(entry.parentPath, entry.name))[0] : path;
  const handle = await open(file ?? path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 9_000_000);
  await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 9_000_000);
  await handle.close();
}
