/** What the operator's runtime survives of the API server itself: its death, and its forgetting of the past. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import type { Kube } from '../operator/kube/client.ts';
import { isKubeError } from '../operator/kube/errors.ts';
import { CONFIG_MAPS } from '../operator/kube/resource.ts';
import type { ControlPlane } from './harness/control-plane.ts';
import { startCutter } from './harness/cutter.ts';
import { follow, openKube, type Scene, sameAsListed, scene, until } from './harness/kube.ts';

async function restartApiServer(
  { processes, admin }: ControlPlane,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const server = processes.find(({ name }) => name.startsWith('kube-apiserver'));
  await server?.kill();
  await meanwhile();
  server?.restart();
  await until(async () => (await admin.send('GET', '/readyz').catch(() => undefined))?.status === 200);
}

/** Makes etcd forget all that was before a revision. */
async function compact({ etcdUrl }: ControlPlane, revision: string): Promise<void> {
  const { statusCode, body } = await request(`${etcdUrl}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision, physical: true }),
  });
  assert.equal(statusCode, 200, await body.text());
}

const put = ({ kube, namespace }: Scene, name: string, value: string): Promise<unknown> =>
  kube.apply(CONFIG_MAPS, { namespace, name }, { data: { value } }, { fieldManager: 'test', force: true });

test('an API server that dies and comes back is followed on, without a new list', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { plane, kube, namespace } = given;
  await put(given, 'a', '1');
  const lists: string[] = [];
  const { reflector, failures } = await follow(
    t,
    await openKube(t, plane, { onRequest: ({ verb, code }) => void (verb === 'list' && lists.push(code)) }),
    namespace,
  );
  await put(given, 'a', '2');
  await until(() => reflector.store.get(`${namespace}/a`)?.data?.['value'] === '2');
  await restartApiServer(plane, () => until(() => failures.includes('Unavailable')));
  await put(given, 'b', '1');
  await kube.delete(CONFIG_MAPS, { namespace, name: 'a' });
  await until(() => sameAsListed(reflector, kube, namespace));
  assert.ok(reflector.store.get(`${namespace}/b`));
  assert.deepEqual(lists, ['200']);
});

test('a watch whose past is forgotten lists again, and a list whose next page is forgotten says so', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { plane, kube, namespace } = given;
  for (const name of ['a', 'b', 'c']) await put(given, name, '1');
  const cutter = await startCutter(t, Number(new URL(plane.url).port));
  const { reflector, failures } = await follow(t, await openKube(t, plane, { origin: `https://127.0.0.1:${cutter.port}` }), namespace);
  const page = await kube.list(CONFIG_MAPS, { namespace, limit: 2 });
  assert.ok(page.continue);

  cutter.down();
  await kube.delete(CONFIG_MAPS, { namespace, name: 'b' });
  await put(given, 'c', '2');
  await put(given, 'd', '1');
  const { resourceVersion } = await kube.list(CONFIG_MAPS, { namespace });
  // The server's own memory of the past goes with its process.
  await restartApiServer(plane, () => compact(plane, resourceVersion));
  await assert.rejects(kube.list(CONFIG_MAPS, { namespace, limit: 2, continue: page.continue }), (error) => isKubeError(error, 'Gone'));
  assert.ok(reflector.store.get(`${namespace}/b`), 'it has not heard of anything yet');
  cutter.up();
  await until(() => sameAsListed(reflector, kube, namespace));
  assert.equal(reflector.store.get(`${namespace}/b`), undefined);
  assert.ok(failures.includes('Gone'), failures.join());
});

test('a connection that went dead without a word is left, and what happened meanwhile is heard', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { plane, kube, namespace } = given;
  await put(given, 'a', '1');
  const cutter = await startCutter(t, Number(new URL(plane.url).port));
  const through = await openKube(t, plane, { origin: `https://127.0.0.1:${cutter.port}` });
  const opened = Promise.withResolvers<void>();
  // Half a second without a byte instead of two and a half minutes.
  const hasty: Kube = {
    ...through,
    watch: (resource, query, call) =>
      through.watch(resource, { ...query, idleSeconds: 0.5, onOpen: () => (query.onOpen?.(), opened.resolve()) }, call),
  };
  const { reflector, failures } = await follow(t, hasty, namespace);
  await opened.promise;
  cutter.freeze();
  await put(given, 'a', '2');
  await until(() => sameAsListed(reflector, kube, namespace));
  assert.ok(failures.includes('Timeout'), failures.join());
});
