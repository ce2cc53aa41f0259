/** Who is looked at again when something has changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from './kube/resource.ts';
import { createStore, type Store } from './kube/store.ts';
import type { StoredSynthesis } from './synthesis/stored.ts';
import type { StoredTraining } from './training/stored.ts';
import { waitsFor, type Wakers, type Waking, wakersOf } from './wake.ts';

type Given = KubeObject & { readonly to?: string };

function object(name: string, { namespace = 'research', to }: { readonly namespace?: string; readonly to?: string } = {}): Given {
  return { metadata: { namespace, name, uid: name, resourceVersion: '1' }, ...(to !== undefined && { to }) };
}

function storeOf<T extends KubeObject>(objects: readonly Given[]): Store<T> {
  const { store, writer } = createStore<Given>([], (given) => waitsFor(given, given.to === undefined ? undefined : { name: given.to }));
  writer.replace(objects);
  return store as unknown as Store<T>;
}

/** Keys that a change wakes, with the seconds until then where they are not woken at once. */
function woken(
  tell: (wake: Wakers) => void,
  { trainings = [], syntheses = [] }: { readonly trainings?: readonly Given[]; readonly syntheses?: readonly Given[] } = {},
): readonly string[] {
  const keys: string[] = [];
  const cluster = { trainings: storeOf<StoredTraining>(trainings), syntheses: storeOf<StoredSynthesis>(syntheses) };
  const waking = (kind: string): Waking => ({
    add: (key) => void keys.push(`${kind} ${key}`),
    addAfter: (key, seconds) => void keys.push(`${kind} ${key} in ${seconds} s`),
  });
  tell(wakersOf({ trainings: waking('training'), syntheses: waking('synthesis') }, () => cluster));
  return keys;
}

const trainingWith = (metadata: object): StoredTraining => ({ metadata: { ...object('x').metadata, ...metadata } }) as StoredTraining;

const changed = (metadata: object, previous?: object) =>
  woken((wake) => {
    wake.training({ kind: 'applied', object: trainingWith(metadata), ...(previous && { previous: trainingWith(previous) }) });
  });

test('a training that changes wakes itself, and what starts from it or draws from it in its namespace', () => {
  const trainings = [object('x'), object('fork', { to: 'x' }), object('other', { to: 'y' }), object('far', { namespace: 'lab', to: 'x' })];
  const syntheses = [object('draws', { to: 'x' }), object('draws-other', { to: 'y' }), object('from-a-checkpoint')];
  const keys = woken((wake) => wake.training({ kind: 'applied', object: object('x') as unknown as StoredTraining }), {
    trainings,
    syntheses,
  });
  assert.deepEqual(keys, ['training research/x', 'training research/fork in 0.5 s', 'synthesis research/draws in 0.5 s']);
});

test('what a person wants is looked at at once, and what was only written into a status together with what comes next', () => {
  const before = { generation: 1, resourceVersion: '1' };
  assert.deepEqual(changed(before), ['training research/x']);
  assert.deepEqual(changed({ ...before, resourceVersion: '2' }, before), ['training research/x in 0.5 s']);
  for (const wish of [{ generation: 2 }, { deletionTimestamp: '2026-01-01T00:00:00Z' }, { annotations: { 'pggan.dev/retry': '1' } }])
    assert.deepEqual(changed({ ...before, ...wish }, before), ['training research/x']);
  const gone = woken((wake) => wake.training({ kind: 'deleted', object: object('x') as unknown as StoredTraining }));
  assert.deepEqual(gone, ['training research/x']);
});

test('changes of its Jobs and pods are gathered, for they come several at a time, but the end of a pod is seen before it is gone', () => {
  const metadata = { namespace: 'research', name: 'x-4-abcde', labels: { 'pggan.dev/training': 'x' } };
  const podIn = (phase: string) => woken((wake) => wake.pod({ kind: 'applied', object: { metadata, status: { phase } } }));
  for (const phase of ['Pending', 'Running']) assert.deepEqual(podIn(phase), ['training research/x in 0.5 s']);
  for (const phase of ['Failed', 'Succeeded']) assert.deepEqual(podIn(phase), ['training research/x in 0 s']);
  assert.deepEqual(
    woken((wake) => wake.job({ kind: 'applied', object: { metadata } })),
    ['training research/x in 0.5 s'],
  );
});
