import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { startFaultProxy } from '../../test/harness/fault-proxy.ts';
import { limitBucket, limitedCredentials } from '../../test/harness/minio-limits.ts';
import { environment, type ObjectStore, startObjectStore } from '../../test/harness/object-store.ts';
import { OBJECT_STORES } from '../../test/harness/object-store-servers.ts';
import { thisProcess } from './process-identity.ts';
import { connect } from './s3/connection.ts';
import { sha256 } from './s3/content.ts';
import { createUpload, listUploads, putObject } from './s3/requests.ts';
import { s3Store } from './s3-store.ts';
import type { Store } from './store.ts';
import { quickTime, storeOn } from './test-s3.ts';
import { lacking } from '../../test/harness/lacking.ts';

const REGION = 'eu-test-1';
const text = (value: string): readonly Uint8Array[] => [Buffer.from(value)];

/** Every verb must fail so; no message may hold a secret. */
async function refusedEverywhere(server: ObjectStore, store: Store, code: string, message: RegExp): Promise<void> {
  const verbs = {
    list: () => store.list(''),
    head: () => store.head('a'),
    read: () => store.read('a'),
    write: () => store.write('a', text('x')),
    remove: () => store.remove('a'),
  };
  for (const [verb, act] of Object.entries(verbs)) {
    await assert.rejects(act, (error: Error & { code?: string }) => {
      assert.equal(error.code, code, `${verb}: ${error.message}`);
      assert.match(error.message, message, verb);
      assert.ok(!error.message.includes(server.credentials.secretKey), error.message);
      return true;
    });
  }
}

for (const kind of OBJECT_STORES) {
  test(`what ${kind} refuses is said with what to mend`, async (t) => {
    const server = await startObjectStore(t, kind, { region: REGION });
    if (!server) return;
    const { accessKey, secretKey } = server.credentials;
    const refused = (store: Store, message: RegExp): Promise<void> => refusedEverywhere(server, store, 'StoreRefused', message);

    await t.test('an unknown access key', () =>
      refused(
        storeOn(server, { env: environment({ accessKey: 'nobody', secretKey }) }),
        /cannot .* \((GET|HEAD|PUT|DELETE) to http:\/\/127\.0\.0\.1:\d+\): the access key is not known there: check accessKey in AWS_ACCESS_KEY_ID/,
      ),
    );
    await t.test('a secret key that is not that of the access key', () =>
      refused(
        storeOn(server, { env: environment({ accessKey, secretKey: 'another-secret' }) }),
        /the secret key is not that of the access key: check secretKey in .*SignatureDoesNotMatch/,
      ),
    );
    await t.test('a bucket that is not there', async () => {
      const store = storeOn(server, {}, 's3://no-such-bucket/runs');
      await refused(store, /there is no bucket 'no-such-bucket': create it, or correct the address \(404 NoSuchBucket/);
    });
    await t.test('another region', async () => {
      const store = storeOn(server, { s3: { ...server.options, region: 'us-west-2' } });
      await assert.rejects(store.list(''), {
        code: 'StoreRefused',
        message: /the store is not in region 'us-west-2': set spec\.store\.region or AWS_REGION .*eu-test-1/,
      });
    });
    await t.test('a clock that is wrong', async (clock) => {
      clock.mock.timers.enable({ apis: ['Date'], now: Date.now() - 3 * 60 * 60 * 1000 });
      await refused(storeOn(server), /clocks of this machine and of the server differ by more than 15 minutes.*RequestTimeTooSkewed/);
    });
    await t.test('a name that no bucket can have', () => {
      assert.throws(() => storeOn(server, {}, 's3://B/x'), { code: 'OptionsInvalid', message: /'s3:\/\/B\/x' names no bucket/ });
    });
    await t.test('TLS where there is none', async () => {
      const store = storeOn(server, { s3: { ...server.options, endpoint: server.endpoint.replace('http:', 'https:') } });
      await refused(store, /does not speak TLS: use http:\/\/ in the endpoint/);
    });
    await t.test('a folder that must be there and is empty', async () => {
      const store = storeOn(server, { create: false }, `s3://${server.bucket}/datasets/none`);
      await assert.rejects(store.list(''), {
        code: 'StoreUnavailable',
        message: /cannot list s3:\/\/pggan\/datasets\/none: there is no object below this address at http/,
      });
    });
    await t.test('a disk that is full: StoreFull, the old object stays, and writing goes on when there is room', (full) =>
      fullDisk(full, kind),
    );
    await t.test('nothing of it is tried twice, and no object is made', async () => {
      const time = quickTime();
      await assert.rejects(storeOn(server, { time, env: environment({ accessKey, secretKey: 'x' }) }).write('a', text('x')));
      assert.deepEqual(time.delays, []);
      assert.deepEqual(await storeOn(server).list(''), []);
    });
  });

  test(`${kind} with a certificate of an authority of one's own`, async (t) => {
    const server = await startObjectStore(t, kind, { tls: 'DNS:localhost' });
    if (!server) return;
    const named = { endpoint: server.endpoint.replace('127.0.0.1', 'localhost') };
    await t.test('is trusted where the authority is named', async () => {
      const store = storeOn(server, { s3: named });
      const parts = [Buffer.alloc(17_000_000, 'x')];
      assert.equal((await store.write('a', parts))?.size, 17_000_000);
      assert.equal((await store.read('a'))?.length, 17_000_000);
    });
    await t.test('is refused where it is not', async () => {
      const store = storeOn(server, { s3: named, env: environment(server.credentials) });
      await refusedEverywhere(
        server,
        store,
        'StoreRefused',
        /authority that is not trusted here: name that authority in spec\.store\.caConfigMapRef/,
      );
    });
    await t.test('is refused for a host name that it does not hold', async () => {
      await refusedEverywhere(server, storeOn(server), 'StoreRefused', /its certificate is for another host name/);
    });
    await t.test('is asked for TLS where http:// was written', async () => {
      const store = storeOn(server, { s3: { endpoint: named.endpoint.replace('https:', 'http:') } });
      // MinIO says what is wrong; versitygw cuts the connection, as a server that restarts does.
      await assert.rejects(store.list(''), { code: kind === 'minio' ? 'StoreRefused' : 'StoreUnavailable' });
    });
    await t.test('is not reached where the file of the authority is missing', async () => {
      const store = storeOn(server, { s3: named, env: { ...server.env, PGGAN_STORE_CA: '/nowhere/ca.crt' } });
      await assert.rejects(store.list(''), { code: 'StoreRefused', message: /cannot be read from \/nowhere\/ca\.crt.*caConfigMapRef/ });
    });
  });
}

test('what a policy forbids, and what a session token no longer allows, is refused; a bucket’s quota is StoreFull', async (t) => {
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  await t.test('a policy', async () => {
    const everything = `arn:aws:s3:::${server.bucket}`;
    const reader = limitedCredentials(server, [
      { Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: [everything, `${everything}/*`] },
    ]);
    await storeOn(server).write('a', text('old'));
    const store = storeOn(server, { env: environment(reader) });
    assert.equal(String(await store.read('a')), 'old');
    assert.equal((await store.list('')).length, 1);
    const refused = {
      code: 'StoreRefused',
      message: /cannot (write|remove) a in .*\((PUT|DELETE) to .*the policy of the access key in .* does not allow this/,
    };
    await assert.rejects(store.write('a', text('new')), refused);
    await assert.rejects(store.remove('a'), refused);
    assert.equal(String(await store.read('a')), 'old');
  });
  await t.test('the policy that the documentation names is enough', async () => {
    const page = await readFile(new URL('../../docs/guides/object-stores.md', import.meta.url), 'utf8');
    const policy = JSON.parse(/```json\n(.*?)```/s.exec(page)?.[1] ?? '') as { readonly Statement: readonly object[] };
    const store = storeOn(server, { env: environment(limitedCredentials(server, policy.Statement)) }, `s3://${server.bucket}/policy`);
    assert.equal((await store.write('large', [Buffer.alloc(20 << 20)]))?.size, 20 << 20);
    assert.equal((await store.read('large'))?.length, 20 << 20);
    await store.remove('large');
    const connection = connect(server.bucket, server.options, server.env, () => 30);
    const attributes = { digest: '', write: '', type: 'text/plain' };
    await createUpload(connection, 'policy/left', attributes);
    const [name, mark] = [Buffer.from('policy/left'), `policy/.unfinished/${thisProcess().place}-999999999-1-x`];
    await putObject(connection, mark, { parts: [name], sha256: sha256([name]), size: name.length }, attributes, {});
    assert.deepEqual(await store.list(''), []);
    assert.deepEqual(await listUploads(connection, 'policy/left'), [], 'what a dead writer left can be removed with it');
  });
  await t.test('a session token', async () => {
    const limited = limitedCredentials(server, [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['*'] }]);
    const store = storeOn(server, { env: environment({ ...limited, sessionToken: 'not-a-token' }) });
    await refusedEverywhere(server, store, 'StoreRefused', /the session token is not valid, or has expired: renew the credentials in AWS_/);
  });
  await t.test('a quota', async () => {
    await server.makeBucket('limited');
    await limitBucket(server, 'limited', 1 << 20);
    const store = storeOn(server, {}, 's3://limited/runs');
    await store.write('a', text('old'));
    const full = {
      code: 'StoreFull',
      message: /cannot write a in s3:\/\/limited\/runs .*there is no room left \(400 XMinioAdminBucketQuotaExceeded/,
    };
    await assert.rejects(store.write('a', [Buffer.alloc(2 << 20)]), full);
    await assert.rejects(store.write('a', [Buffer.alloc(40 << 20)]), full);
    assert.equal(String(await store.read('a')), 'old');
  });
});

test('credentials come from one place, completely; a Secret that is rotated is picked up', async (t) => {
  const server = await startObjectStore(t, 'versitygw');
  if (!server) return;
  const folder = await mkdtemp(join(tmpdir(), 'pggan-secret-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const mounted = { ...server.env, PGGAN_STORE_CREDENTIALS: folder };
  const store = storeOn(server, { env: mounted });
  await assert.rejects(
    store.list(''),
    missing(/there are no credentials for it: .*pggan-secret-.* lacks accessKey and secretKey.*credentialsSecretRef/),
  );
  await writeFile(join(folder, 'accessKey'), `${server.credentials.accessKey}\n`);
  await assert.rejects(store.list(''), missing(/lacks secretKey/));
  await writeFile(join(folder, 'secretKey'), 'outdated');
  await assert.rejects(store.list(''), missing(/check secretKey in .*pggan-secret-/));
  await writeFile(join(folder, 'secretKey'), `${server.credentials.secretKey}\n`);
  assert.deepEqual(await store.list(''), []);
  await assert.rejects(
    storeOn(server, { env: {} }).list(''),
    missing(/there are no credentials for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or PGGAN_STORE/),
  );
  await assert.rejects(storeOn(server, { env: { AWS_ACCESS_KEY_ID: 'x' } }).list(''), missing(/AWS_SECRET_ACCESS_KEY is not set/));
});

test('what stores refuse with that these two never say is said with what to mend, once', async (t) => {
  const proxy = await startFaultProxy(t, 1);
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' };
  const store = s3Store('s3://bucket/runs', { s3: { endpoint: proxy.endpoint }, env, time: quickTime() });
  for (const [status, code, message] of [
    [400, 'ExpiredToken', /the credentials have expired: renew those in AWS_ACCESS_KEY_ID/],
    [400, 'AuthorizationHeaderMalformed', /the store is not in region 'us-east-1': set spec\.store\.region/],
    [301, 'PermanentRedirect', /the bucket is not in region 'us-east-1'/],
    [403, 'AllAccessDisabled', /the policy of the access key in AWS_ACCESS_KEY_ID.* does not allow this/],
    [418, 'Teapot', /the server refused the request \(418 Teapot: by a test\): check that the endpoint is that of an S3 store/],
  ] as const) {
    const before = proxy.seen.length;
    proxy.fail({ kind: 'answer', status, code });
    await assert.rejects(store.read('a'), { code: 'StoreRefused', message });
    assert.equal(proxy.seen.length, before + 1, `${code} was tried again`);
  }
});

test('a list that is none, or not whole, is refused: what it lacks must not count as absent', async (t) => {
  let answer = '';
  const server = createServer((_, response) => void response.end(answer));
  await new Promise((listening) => server.listen(0, '127.0.0.1', () => listening(undefined)));
  t.after(() => server.close().closeAllConnections());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' };
  const store = s3Store('s3://bucket/runs', { s3: { endpoint }, env, time: quickTime() });
  const object = '<Contents><Key>runs/a</Key><Size>1</Size><ETag>e</ETag></Contents>';
  answer = listOf(`<IsTruncated>false</IsTruncated>${object}`);
  assert.deepEqual(await store.list(''), [{ key: 'a', size: 1, version: 'e' }]);

  for (const [what, document, message] of [
    [
      'a page for people, as at the port of a console',
      '<!doctype html><title>Console</title>',
      /200: its answer is no whole list of objects/,
    ],
    ['a list that breaks off', `<ListBucketResult>${object}<Contents>`, /no whole list/],
    ['one that goes on, nobody knows how', listOf(`<IsTruncated>true</IsTruncated>${object}`), /goes on, but it does not say how/],
    [
      'one that goes on with itself',
      listOf(`<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>${object}`),
      /goes on, but it does not say how/,
    ],
  ] as const) {
    answer = document;
    await assert.rejects(store.list(''), { code: 'StoreRefused', message }, what);
    await assert.rejects(store.list(''), { message: /check that the endpoint is that of an S3 store/ }, what);
  }
  // Looked for one by one through all the rest, these would take hours.
  answer = listOf('<Contents>'.repeat(400_000));
  assert.deepEqual(await store.list(''), []);
});

test('a disk that fills up while a server writes is StoreFull in the file system’s own words too, at once', async (t) => {
  const proxy = await startFaultProxy(t, 1);
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' };
  const store = s3Store('s3://bucket/runs', { s3: { endpoint: proxy.endpoint }, env, time: quickTime() });
  for (const cause of ['no space left on device', 'disk quota exceeded']) {
    const before = proxy.seen.length;
    const message = `We encountered an internal error, please try again.: cause(${cause})`;
    proxy.fail({ kind: 'answer', status: 500, code: 'InternalError', message });
    await assert.rejects(store.write('a', text('x')), { code: 'StoreFull', message: /there is no room left \(500 InternalError: / });
    assert.equal(proxy.seen.length, before + 1, `${cause} was tried again`);
  }
});

test('a process that is to end waits only seconds for a store that is away, also where it was asked to while it waited', async () => {
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' };
  const time = quickTime();
  const store = s3Store('s3://bucket/runs', { s3: { endpoint: 'http://127.0.0.1:1' }, env, time, hurried: () => time.now() > 6 });
  await assert.rejects(store.read('a'), { code: 'StoreUnavailable' });
  assert.ok(time.now() > 6 && time.now() < 10);
  const began = time.now();
  await assert.rejects(store.read('a'), { code: 'StoreUnavailable', message: /nothing listens there/ });
  assert.ok(time.now() - began <= 3);
});

test('a server that is not there is tried for a while, then StoreUnavailable says what was tried and how often', async () => {
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y' };
  const unreachable = async (endpoint: string, message: RegExp): Promise<void> => {
    const time = quickTime();
    const store = s3Store('s3://bucket/runs', { s3: { endpoint }, env, time });
    await assert.rejects(store.read('a'), { code: 'StoreUnavailable', message });
    assert.deepEqual(time.delays.slice(0, 4), [0.2, 0.4, 0.8, 1.6], 'delays double');
    assert.ok(time.now() <= 15, 'one that has never answered is not waited for long');
  };
  await unreachable(
    'http://127.0.0.1:1',
    /cannot read a in s3:\/\/bucket\/runs \(GET to http:\/\/127\.0\.0\.1:1\): nothing listens there.*ECONNREFUSED.*, 7 times in 13 s/,
  );
  await unreachable('http://store.invalid', /the host’s name is not known to DNS|DNS does not answer/);
  for (const endpoint of ['ftp://x', 'minio:9000', 'http://host/path', 'http://key:secret@host']) {
    assert.throws(
      () => s3Store('s3://bucket/runs', { s3: { endpoint } }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'OptionsInvalid');
        assert.ok(!error.message.includes('key:secret'));
        return true;
      },
    );
  }
});

const listOf = (content: string): string => `<ListBucketResult>${content}</ListBucketResult>\n`;
const missing = (message: RegExp) => ({ code: 'StoreRefused', message });

async function fullDisk(t: TestContext, kind: ObjectStore['kind']): Promise<void> {
  const server = await startObjectStore(t, kind, { diskMegabytes: 160 }).catch((error: Error) =>
    lacking(t, `no server could be started on a small file system: ${error.message}`, error),
  );
  if (!server) return;
  const store = storeOn(server);
  await store.write('a', text('old'));
  const ballast = join(server.disk(), 'ballast');
  await writeFile(ballast, Buffer.alloc(100 << 20));
  await assert.rejects(store.write('a', [Buffer.alloc(80 << 20)]), {
    code: 'StoreFull',
    message: /cannot write a in .*there is no room left/,
  });
  assert.equal(String(await store.read('a')), 'old');
  assert.deepEqual(
    (await store.list('')).map(({ key }) => key),
    ['a'],
  );
  await rm(ballast);
  // MinIO looks at its disk once a second.
  while ((await store.write('a', [Buffer.alloc(30 << 20)]).catch(() => undefined)) === undefined) await setTimeout(100);
  assert.equal((await store.head('a'))?.size, 30 << 20);
}
