import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { PgganError } from '../../crds/errors.ts';
import { limitedCredentials } from '../../test/harness/minio-limits.ts';
import { environment, startObjectStore } from '../../test/harness/object-store.ts';
import { fileStore } from './file-store.ts';
import { foldersAbove, refuseNested } from './nested.ts';
import { openStore } from './open-store.ts';
import { acquireRun, OWNER, systemClock } from './owner.ts';
import type { Store } from './store.ts';
import { temporaryFolder } from './test-checkpoints.ts';
import { storeOn } from './test-s3.ts';

const OUTER = { cluster: 'c', namespace: 'research', name: 'outer', uid: 'u' };

test('above a folder are its parents, up to the bucket or the root', () => {
  assert.deepEqual(foldersAbove('s3://pggan/runs/research/tiny'), ['s3://pggan/runs/research', 's3://pggan/runs', 's3://pggan']);
  assert.deepEqual(foldersAbove('s3://pggan'), []);
  assert.deepEqual(foldersAbove('file:///data/a%20b/tiny'), ['file:///data/a%20b', 'file:///data', 'file:///']);
});

/** A folder that the training `outer` owns, and the URI of one two levels below it. */
async function nested(t: TestContext) {
  const folder = await temporaryFolder(t);
  const outer = fileStore(folder);
  await (await acquireRun(outer, OUTER, systemClock)).release();
  return { folder, outer, uri: pathToFileURL(join(folder, 'research/inner')).href };
}

test('a folder inside a run folder is refused, naming both and what to do; its neighbour is not', async (t) => {
  const { folder, outer, uri } = await nested(t);
  const error = await refuseNested(uri, openStore).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof PgganError && error.code === 'RunNested' && error.exitCode === 2);
  const said = `${uri} lies inside ${outer.uri}, the run folder of training research/outer: set spec.output.uri to a folder outside of it`;
  assert.ok(error.message.startsWith(said), error.message);
  await refuseNested(outer.uri, openStore);
  await refuseNested(pathToFileURL(`${folder}-2/research/inner`).href, openStore);
});

test('an owner.json of something else is nobody’s run', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, OWNER), '{"owner": "somebody"}');
  await refuseNested(pathToFileURL(join(folder, 'inner')).href, openStore);
});

const errno = (code: string): Error => Object.assign(new Error(code), { code });

/** Opens stores that fail so. */
const failing = (error: PgganError) => (): Store => ({ ...fileStore('/nowhere'), head: () => Promise.reject(error) });

test('where we may not look nothing is known; a store that does not answer is no reason to go on', async () => {
  const uri = 's3://pggan/runs/inner';
  await refuseNested(uri, failing(new PgganError('StoreRefused', 'AccessDenied')));
  await refuseNested(uri, failing(new PgganError('StoreUnavailable', 'this user may not', { cause: errno('EACCES') })));
  for (const cause of [errno('ESTALE'), undefined])
    await assert.rejects(refuseNested(uri, failing(new PgganError('StoreUnavailable', 'away', { cause }))), { code: 'StoreUnavailable' });
});

test('in a bucket, each folder above costs one look', async (t) => {
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  const looks: string[] = [];
  const open = (uri: string): Store => {
    const store = storeOn(server, {}, uri);
    return { ...store, head: (key) => (looks.push(`${uri}/${key}`), store.head(key)), read: () => assert.fail('nothing is there to read') };
  };
  const root = `s3://${server.bucket}`;
  await refuseNested(`${root}/runs/research/tiny`, open);
  assert.deepEqual(looks, [`${root}/runs/research/owner.json`, `${root}/runs/owner.json`, `${root}/owner.json`]);
  await acquireRun(storeOn(server, {}, `${root}/runs/research/outer`), OUTER, systemClock);
  await assert.rejects(
    refuseNested(`${root}/runs/research/outer/research/tiny`, (uri) => storeOn(server, {}, uri)),
    {
      code: 'RunNested',
      message: /research\/outer\/research\/tiny lies inside s3:\/\/.*\/runs\/research\/outer, the run folder of training research\/outer/,
    },
  );
});

test('credentials of one prefix in a bucket are enough: what is above it is not theirs to know', async (t) => {
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  const root = `s3://${server.bucket}`;
  await acquireRun(storeOn(server, {}, root), OUTER, systemClock);
  const Resource = [`arn:aws:s3:::${server.bucket}/team/*`];
  const env = environment(limitedCredentials(server, [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource }]));
  const open = (uri: string): Store => storeOn(server, { env }, uri);
  const uri = `${root}/team/runs/tiny`;
  await assert.rejects(open(root).head(OWNER), { code: 'StoreRefused' });
  await refuseNested(uri, open);
  await assert.rejects(
    refuseNested(uri, (outer) => storeOn(server, {}, outer)),
    { code: 'RunNested' },
  );
});
