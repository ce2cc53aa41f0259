import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Kube } from './client.ts';
import { KubeError } from './errors.ts';
import { createReflectors, type Reflectors } from './reflectors.ts';
import { CONFIG_MAPS, type ConfigMap, keyOf, type KubeObject, type Resource } from './resource.ts';

const object = (namespace: string, name: string): ConfigMap => ({
  metadata: { namespace, name, uid: `${namespace}-${name}`, resourceVersion: '1', labels: { role: name }, ownerReferences: [OWNER] },
});
const OWNER = { apiVersion: 'v1', kind: 'X', name: 'owner', uid: 'owner' };

type Reading = Pick<Kube, 'list' | 'watch'>;

/** A server of some namespaces that lists them as long as it may, and then has nothing to tell. */
function serverOf(objects: readonly ConfigMap[], mayList: (namespace: string | undefined) => boolean): Reading {
  const list = (namespace: string | undefined): readonly ConfigMap[] => {
    if (!mayList(namespace)) throw new KubeError('Forbidden', `may not list in ${namespace}`);
    return objects.filter(({ metadata }) => namespace === undefined || metadata?.namespace === namespace);
  };
  return {
    list: async <T extends KubeObject>(_: Resource<T>, { namespace }: { readonly namespace?: string | undefined } = {}) => ({
      items: list(namespace) as readonly KubeObject[] as readonly T[],
      resourceVersion: '1',
    }),
    watch: (_resource, _query, { signal } = {}) => silence(signal),
  };
}

/** A watch that hears nothing until it is ended. */
function silence(signal: AbortSignal | undefined): AsyncIterable<never> {
  const ended = new Promise<IteratorReturnResult<undefined>>((resolve) => {
    signal?.addEventListener('abort', () => resolve({ done: true, value: undefined }));
  });
  return { [Symbol.asyncIterator]: () => ({ next: () => ended }) };
}

type Told = { readonly changes: string[]; readonly failures: string[] };

function reflect(t: TestContext, kube: Reading, namespaces: readonly string[]): Told & { readonly reflectors: Reflectors<ConfigMap> } {
  const told: Told = { changes: [], failures: [] };
  const reflectors = createReflectors<ConfigMap, ConfigMap>({
    kube,
    resource: CONFIG_MAPS,
    namespaces,
    labels: ['role'],
    project: (each) => each,
    onChange: (change) => void told.changes.push(keyOf(change.object)),
    onError: ({ code }, _, namespace) => void told.failures.push(`${code} in ${namespace}`),
    backoff: { minSeconds: 0.001, maxSeconds: 0.001 },
  });
  const stop = new AbortController();
  const run = reflectors.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await run;
  });
  return { reflectors, ...told };
}

const WORLD = ['a', 'b', 'c'].flatMap((namespace) => [object(namespace, 'x'), object(namespace, 'y')]);
const keys = (objects: readonly ConfigMap[]): readonly string[] => objects.map(keyOf).sort();

test('of a list of namespaces one store holds all objects, and none of others', async (t) => {
  const { reflectors, changes } = reflect(
    t,
    serverOf(WORLD, (namespace) => namespace !== undefined),
    ['a', 'c'],
  );
  await reflectors.synced;
  const { store } = reflectors;
  assert.deepEqual(keys(store.list()), ['a/x', 'a/y', 'c/x', 'c/y']);
  assert.deepEqual(keys(store.labelled('role', 'x')), ['a/x', 'c/x']);
  assert.deepEqual(keys(store.ownedBy('owner')), ['a/x', 'a/y', 'c/x', 'c/y']);
  assert.equal(store.size, 4);
  assert.equal(store.get('c/y')?.metadata?.uid, 'c-y');
  assert.deepEqual([store.get('b/x'), store.get('a/z')], [undefined, undefined]);
  assert.deepEqual(changes.toSorted(), ['a/x', 'a/y', 'c/x', 'c/y']);
});

test('without a list it is one reflector of all namespaces', async (t) => {
  const { reflectors } = reflect(
    t,
    serverOf(WORLD, (namespace) => namespace === undefined),
    [],
  );
  await Promise.all([reflectors.synced, reflectors.syncedIn('b')]);
  assert.equal(reflectors.store.size, 6);
});

test('a namespace that may not be listed does not keep the others waiting, and is there once it may', async (t) => {
  let allowed = false;
  const { reflectors, failures } = reflect(
    t,
    serverOf(WORLD, (namespace) => namespace === 'a' || allowed),
    ['a', 'b'],
  );
  await reflectors.syncedIn('a');
  assert.deepEqual(keys(reflectors.store.list()), ['a/x', 'a/y']);
  const whole = reflectors.synced.then(() => 'whole');
  assert.equal(await Promise.race([whole, new Promise((resolve) => setImmediate(() => resolve('not yet')))]), 'not yet');
  allowed = true;
  await Promise.all([whole, reflectors.syncedIn('b')]);
  assert.equal(reflectors.store.size, 4);
  assert.deepEqual([...new Set(failures)], ['Forbidden in b']);
});
