import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Kube } from './client.ts';
import { KubeError, type KubeErrorCode } from './errors.ts';
import { clip, createRecorder, type Happening, type RecorderOptions } from './events.ts';
import { CONFIG_MAPS, type Event, type KubeObject } from './resource.ts';
import { settled, VirtualClock } from './virtual-clock.ts';

const object: KubeObject = { metadata: { namespace: 'default', name: 'a', uid: 'uid-a', resourceVersion: '7' } };
const stalled: Happening = { type: 'Warning', reason: 'Stalled', action: 'Training', note: 'No progress for 3 attempts.' };

/** A recorder, and what arrives at a server that may refuse. */
function recording(options: Partial<RecorderOptions> = {}) {
  const clock = new VirtualClock();
  const created: Event[] = [];
  const counts: number[] = [];
  const dropped: string[] = [];
  const refusals: KubeErrorCode[] = [];
  const answer = <T>(value: T): Promise<T> => {
    const code = refusals.shift();
    return code ? Promise.reject(new KubeError(code, code)) : Promise.resolve(value);
  };
  const kube = {
    create: (_: unknown, event: Event) => answer(event).then((stored) => (created.push(stored), stored)),
    patch: (_: unknown, __: unknown, patch: { readonly merge: Event }) =>
      answer(patch.merge).then((stored) => (counts.push(stored.series?.count ?? 0), stored)),
  } as unknown as Pick<Kube, 'create' | 'patch'>;
  const onDropped = (_: Event, error: unknown): void => void dropped.push(error instanceof Error ? error.message : '');
  const recorder = createRecorder({
    kube,
    controller: 'pggan.dev/operator',
    instance: 'test',
    clock,
    random: () => 0.5,
    onDropped,
    ...options,
  });
  return {
    clock,
    created,
    counts,
    dropped,
    refusals,
    recorder,
    tell: (what: Happening = stalled, about = object) => recorder.record(about, CONFIG_MAPS, what),
  };
}

test('the first of its kind is an event, the second a count at once, and from then on counts are bundled', async () => {
  const { clock, created, counts, tell } = recording();
  tell();
  await settled();
  for (let second = 0; second < 100; second += 1) {
    tell();
    await clock.advance(1);
  }
  assert.equal(created.length, 1);
  assert.deepEqual(counts, [2, 31, 61, 91]);
  const [event] = created;
  assert.deepEqual(event?.regarding, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    namespace: 'default',
    name: 'a',
    uid: 'uid-a',
    resourceVersion: '7',
  });
  assert.match(event?.metadata?.name ?? '', /^a\.[0-9a-f]{16}$/);
  assert.equal(event?.eventTime, '2026-01-01T00:00:00.000000Z');
});

test('a count that waits for its turn is written before the process ends', async () => {
  const { clock, counts, tell, recorder } = recording();
  for (let round = 0; round < 7; round += 1) tell();
  await clock.advance(1);
  assert.deepEqual(counts, [2]);
  await recorder.flush();
  assert.deepEqual(counts, [2, 7]);
});

test('what was quiet for six minutes is news again, and other words are other news', async () => {
  const { clock, created, tell } = recording();
  tell();
  await clock.advance(359);
  tell();
  await clock.advance(361);
  tell();
  tell({ ...stalled, note: 'Something else.' });
  await settled();
  assert.deepEqual(
    created.map(({ note }) => note),
    [stalled.note, stalled.note, 'Something else.'],
  );
  await clock.advance(3600);
  assert.equal(clock.nextSeconds, undefined, 'nothing is remembered for ever');
});

test('an object that stammers silences itself, not the others', async () => {
  const { clock, created, dropped, tell } = recording();
  for (let round = 0; round < 100; round += 1) tell({ ...stalled, note: `attempt ${round}` });
  tell(stalled, { metadata: { namespace: 'default', name: 'b', uid: 'uid-b' } });
  await clock.advance(1);
  assert.equal(created.filter(({ regarding }) => regarding?.name === 'a').length, 25);
  assert.equal(created.filter(({ regarding }) => regarding?.name === 'b').length, 1);
  assert.equal(dropped.length, 75);
});

test('a server that is away is tried a few times; an event that arrived unheard is not told twice; one that was forgotten is told with its count', async () => {
  const { clock, created, counts, dropped, refusals, tell } = recording();
  refusals.push('Unavailable', 'Dropped', 'AlreadyExists');
  tell();
  await clock.advance(10);
  assert.deepEqual([created.length, dropped.length], [0, 0]);
  refusals.push('NotFound');
  tell();
  await clock.advance(10);
  assert.deepEqual(counts, []);
  assert.equal(created[0]?.series?.count, 2);
  refusals.push('Timeout', 'Timeout', 'Timeout', 'Timeout');
  tell({ ...stalled, reason: 'Other' });
  await clock.advance(60);
  assert.deepEqual(dropped, ['Timeout']);
});

test('while the server is away no more than a bounded number of events waits', async () => {
  const { dropped, tell } = recording({ kube: { create: () => new Promise(() => {}), patch: () => new Promise(() => {}) } as never });
  for (let at = 0; at < 1200; at += 1) tell(stalled, { metadata: { namespace: 'default', name: `o-${at}`, uid: `u-${at}` } });
  await settled();
  assert.equal(dropped.length, 200);
});

test('a note is cut between two letters, at 1,024 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 600 }), (text) => {
      const cut = clip(text, 100);
      assert.ok(Buffer.byteLength(cut) <= 100);
      assert.ok(cut === text || (cut.endsWith('...') && text.startsWith(cut.slice(0, -3)) && Buffer.byteLength(cut) > 92));
    }),
  );
});
