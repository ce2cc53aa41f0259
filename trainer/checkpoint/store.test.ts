import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startObjectStore } from '../../test/harness/object-store.ts';
import { OBJECT_STORES } from '../../test/harness/object-store-servers.ts';
import { openStore } from './open-store.ts';
import { storePromises } from './test-store-promises.ts';

test('a folder keeps the promises of a store', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'pggan-store-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  let folders = 0;
  const freshUri = (): string => pathToFileURL(join(root, String(folders++))).href;
  await storePromises(t, { freshUri, open: (uri) => openStore(uri), env: {}, effort: 20 });
});

for (const kind of OBJECT_STORES) {
  test(`${kind} keeps the promises of a store`, async (t) => {
    const server = await startObjectStore(t, kind);
    if (!server) return;
    Object.assign(process.env, server.env);
    let folders = 0;
    const freshUri = (): string => `s3://${server.bucket}/runs/${folders++}`;
    await storePromises(t, { freshUri, open: (uri) => openStore(uri), env: server.env, effort: 4 });
  });
}
