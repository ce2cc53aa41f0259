import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { tensorboardScalars } from '../../test/harness/tensorboard.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { mayWrite, temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { eventScalars } from './event-scalars.ts';
import { createEventsWriter, type EventsWriter } from './events.ts';

/** A clock that stands still until it is set. */
function clock(text: string) {
  let time = new Date(text);
  return { now: () => time, set: (later: string) => void (time = new Date(later)) };
}

const NAMES = `Progress/tick Progress/kimg Progress/lod Progress/minibatch Timing/total_sec Timing/sec_per_tick Timing/sec_per_kimg
  Timing/maintenance_sec Timing/total_hours Timing/total_days Loss/real_scores Loss/fake_scores Loss/mixed_scores Loss/mixed_norms
  Loss/epsilon_penalty Loss/label_penalty_reals Loss/label_penalty_fakes TrainG/learning_rate TrainG/overflow_frequency
  TrainD/learning_rate TrainD/overflow_frequency`.split(/\s+/);

test('TensorBoard reads every scalar under the reference’s name, at the images shown and the time it was written', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const { now } = clock('2026-01-01T00:00:00.250Z');
  const events = await createEventsWriter(store, { firstStep: 0, attempt: 1, now, guard: mayWrite });
  const tick = {
    tick: 4,
    images: 621_568,
    lod: 6.75,
    resolution: 8,
    minibatch: 128,
    epochs: 99,
    secondsTotal: 7200,
    secondsPerTick: 155.5,
    secondsPerKimg: 0.5,
    secondsMaintenance: 1.25,
  };
  const names = [
    'realScores',
    'fakeScores',
    'mixedScores',
    'mixedNorms',
    'epsilonPenalty',
    'labelPenaltyReals',
    'labelPenaltyFakes',
    'loss',
  ];
  const means = { ...Object.fromEntries(names.map((name, i) => [`D.${name}`, i - 2.5])), 'G.loss': 9, 'D.finite': 0.75, 'G.finite': 1 };
  const level = { resolution: 8, minibatch: 128, tickKimg: 140, generatorLearningRate: 0.5, discriminatorLearningRate: 0.25 };
  events.add(tick.images, eventScalars(tick, { ...level, lod: 6.75 }, means));
  await events.flush();
  const shown = tensorboardScalars(t, fileURLToPath(store.uri));
  if (shown === undefined) return;
  assert.deepEqual(Object.keys(shown).sort(), [...NAMES, 'Loss/discriminator', 'Loss/generator'].sort());
  const time = now().getTime() / 1000;
  for (const [tag, value] of [
    ['Progress/lod', 6.75],
    ['Timing/total_hours', 2],
    ['Loss/real_scores', -2.5],
    ['Loss/label_penalty_fakes', 3.5],
    ['Loss/generator', 9],
    ['TrainG/learning_rate', 0.5],
    ['TrainD/overflow_frequency', 0.25],
    ['TrainG/overflow_frequency', 0],
  ] as const) {
    assert.deepEqual(shown[tag], [[time, 621_568, value]], tag);
  }
});

test('after a resume TensorBoard shows the new steps in place of those that came after the checkpoint, even where the clock went back', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const first = clock('2026-01-01T10:00:00Z');
  const before = await createEventsWriter(store, { firstStep: 0, attempt: 1, now: first.now, guard: mayWrite });
  for (const step of [100, 200, 300, 400]) {
    before.add(step, { a: step });
    await before.flush();
  }
  const second = clock('2026-01-01T09:00:00Z');
  const after = await createEventsWriter(store, { firstStep: 201, attempt: 2, now: second.now, guard: mayWrite });
  after.add(300, { a: -300 });
  await after.flush();
  after.add(400, { a: -400 });
  after.add(500, { a: -500 });
  await after.flush();
  const keys = (await store.list('')).map(({ key }) => key);
  const seconds = Date.parse('2026-01-01T10:00:00Z') / 1000;
  assert.deepEqual(
    keys,
    [1, 1, 1, 1, 2, 2].map((attempt, i) => `events.out.tfevents.${seconds + i}.attempt-${attempt}`),
  );
  const shown = tensorboardScalars(t, fileURLToPath(store.uri));
  if (shown === undefined) return;
  const points = shown['a']?.map(([, step, value]) => [step, value]);
  assert.deepEqual(points, [
    [100, 100],
    [200, 200],
    [300, -300],
    [400, -400],
    [500, -500],
  ]);
});

test('values that are not finite are left out, and nothing new means no file', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const events = await createEventsWriter(store, { firstStep: 0, attempt: 1, now: () => new Date(0), guard: mayWrite });
  await events.flush();
  assert.deepEqual(await store.list(''), []);
  events.add(1, { a: Number.NaN, b: Number.POSITIVE_INFINITY, c: 1 });
  await events.flush();
  await events.flush();
  assert.equal((await store.list('')).length, 1);
  const shown = tensorboardScalars(t, fileURLToPath(store.uri));
  if (shown !== undefined) assert.deepEqual(Object.keys(shown), ['c']);
});

test('ticks that follow each other fast share a file, and a writer that was fenced off writes none', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const { now, set } = clock('2026-01-01T00:00:00Z');
  const events = await createEventsWriter(store, { firstStep: 0, attempt: 1, now, guard: mayWrite });
  const files = async (): Promise<number> => (await store.list('')).length;
  const tick = async (time: string, writer: EventsWriter) => {
    set(time);
    writer.add(1, { a: 1 });
    await writer.flushSometimes();
  };
  await tick('2026-01-01T00:00:59Z', events);
  assert.equal(await files(), 0);
  await tick('2026-01-01T00:01:00Z', events);
  assert.equal(await files(), 1);
  const fenced = await createEventsWriter(store, { firstStep: 0, attempt: 1, now, guard: () => Promise.reject(new Error('fenced')) });
  await assert.rejects(tick('2026-01-01T00:02:00Z', fenced), /fenced/);
  assert.equal(await files(), 1);
});
