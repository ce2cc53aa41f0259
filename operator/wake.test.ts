/** Who is looked at again when something has changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from './kube/resource.ts';
import { createStore, type Store } from './kube/store.ts';
import type { StoredSynthesis } from './synthesis/stored.ts';
import type { StoredTraining } from './training/stored.ts';
import { waitsFor, wakersOf } from './wake.ts';

type Given = KubeObject & { readonly to?: string };

function object(name: string, { namespace = 'research', to }: { readonly namespace?: string; readonly to?: string } = {}): Given {
  return { metadata: { namespace, name, uid: name, resourceVersion: '1' }, ...(to !== undefined && { to }) };
}

function storeOf<T extends KubeObject>(objects: readonly Given[]): Store<T> {
  const { store, writer } = createStore<Given>([], (given) => waitsFor(given, given.to === undefined ? undefined : { name: given.to }));
  writer.replace(objects);
  return store as unknown as Store<T>;
}

/** Keys that were woken by a change of the training research/x. */
function woken(trainings: readonly Given[], syntheses: readonly Given[]): readonly string[] {
  const keys: string[] = [];
  const cluster = { trainings: storeOf<StoredTraining>(trainings), syntheses: storeOf<StoredSynthesis>(syntheses) };
  const wake = wakersOf(
    { trainings: { add: (key) => void keys.push(key) }, syntheses: { add: (key) => void keys.push(`${key} (synthesis)`) } },
    () => cluster,
  );
  wake.training({ kind: 'applied', object: object('x') as unknown as StoredTraining });
  return keys;
}

test('a training that changes wakes itself, and what starts from it or draws from it in its namespace', () => {
  const trainings = [object('x'), object('fork', { to: 'x' }), object('other', { to: 'y' }), object('far', { namespace: 'lab', to: 'x' })];
  const syntheses = [object('draws', { to: 'x' }), object('draws-other', { to: 'y' }), object('from-a-checkpoint')];
  assert.deepEqual(woken(trainings, syntheses), ['research/x', 'research/fork', 'research/draws (synthesis)']);
});
