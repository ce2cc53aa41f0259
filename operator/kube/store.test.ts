import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { KubeObject } from './resource.ts';
import { type Change, createStore } from './store.ts';

type Given = { readonly name: string; readonly uid: number; readonly version: number; readonly owner?: string; readonly training?: string };

const object = ({ name, uid, version, owner, training }: Given): KubeObject => ({
  metadata: {
    namespace: 'default',
    name,
    uid: `${name}-${uid}`,
    resourceVersion: String(version),
    ...(training && { labels: { training } }),
    ...(owner && { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: owner, uid: owner }] }),
  },
});

const given: fc.Arbitrary<Given> = fc.record(
  {
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    uid: fc.integer({ min: 1, max: 2 }),
    version: fc.integer({ min: 1, max: 5 }),
    owner: fc.constantFrom('owner-1', 'owner-2'),
    training: fc.constantFrom('x', 'y'),
  },
  { requiredKeys: ['name', 'uid', 'version'] },
);
const action = fc.oneof(
  fc.record({ kind: fc.constant('apply' as const), given }),
  fc.record({ kind: fc.constant('delete' as const), given }),
  fc.record({ kind: fc.constant('replace' as const), givens: fc.uniqueArray(given, { selector: ({ name }) => name }) }),
);

test('an index says what a walk over all objects says, and the changes told lead to the same objects', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const { store, writer } = createStore(['training'], ({ metadata }) =>
        metadata?.labels?.['training'] ? [`default/${metadata.labels['training']}`] : [],
      );
      const told = new Map<string, KubeObject>();
      const hear = (change: Change<KubeObject>): void => {
        const uid = change.object.metadata?.uid ?? '';
        if (change.kind === 'deleted') assert.ok(told.delete(uid), 'a deletion of what was never there');
        else told.set(uid, change.object);
      };
      for (const action of actions) {
        if (action.kind === 'replace') writer.replace(action.givens.map(object)).forEach(hear);
        else writer[action.kind](object(action.given)).forEach(hear);
        if (action.kind === 'replace')
          assert.deepEqual(new Set(store.list().map((o) => o.metadata?.name)), new Set(action.givens.map((g) => g.name)));
      }
      const all = store.list();
      assert.equal(all.length, store.size);
      assert.deepEqual(new Set(told.values()), new Set(all));
      for (const owner of ['owner-1', 'owner-2']) {
        const walked = all.filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uid === owner));
        assert.deepEqual(new Set(store.ownedBy(owner)), new Set(walked));
      }
      for (const training of ['x', 'y']) {
        const walked = new Set(all.filter(({ metadata }) => metadata?.labels?.['training'] === training));
        assert.deepEqual(new Set(store.labelled('training', training)), walked);
        assert.deepEqual(new Set(store.referringTo(`default/${training}`)), walked);
      }
    }),
  );
});

test('a change of owner tells both the new object and what stood there before', () => {
  const { writer } = createStore();
  writer.apply(object({ name: 'a', uid: 1, version: 1, owner: 'owner-1' }));
  const [change] = writer.apply(object({ name: 'a', uid: 1, version: 2, owner: 'owner-2' }));
  assert.ok(change?.kind === 'applied');
  assert.equal(change.object.metadata?.ownerReferences?.[0]?.name, 'owner-2');
  assert.equal(change.previous?.metadata?.ownerReferences?.[0]?.name, 'owner-1');
});

test('an object that was deleted and made anew while nobody looked is told as deleted, then applied', () => {
  const { writer } = createStore();
  writer.apply(object({ name: 'a', uid: 1, version: 1 }));
  const changes = writer.replace([object({ name: 'a', uid: 2, version: 2 })]);
  assert.deepEqual(
    changes.map(({ kind, object }) => [kind, object.metadata?.uid]),
    [
      ['deleted', 'a-1'],
      ['applied', 'a-2'],
    ],
  );
});

test('what has not changed since is not told again', () => {
  const { writer } = createStore();
  writer.replace([object({ name: 'a', uid: 1, version: 1 })]);
  assert.deepEqual(writer.replace([object({ name: 'a', uid: 1, version: 1 })]), []);
});

test('what a reader gets cannot be written to, at any depth', () => {
  const { store, writer } = createStore();
  writer.apply(object({ name: 'a', uid: 1, version: 1, training: 'x' }));
  const labels = store.get('default/a')?.metadata?.labels;
  assert.throws(() => Object.assign(labels ?? {}, { training: 'y' }), TypeError);
});

test('a snapshot stays as it was', () => {
  const { store, writer } = createStore();
  writer.apply(object({ name: 'a', uid: 1, version: 1 }));
  const before = store.list();
  writer.delete(object({ name: 'a', uid: 1, version: 1 }));
  assert.equal(before.length, 1);
  assert.equal(store.size, 0);
});

test('asking by a label that is not indexed is a mistake, not an empty answer', () => {
  assert.throws(() => createStore(['training']).store.labelled('other', 'x'), /no index of label other/);
});
