import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type ControllerOptions, createController, type ReconcileReport } from './controller.ts';
import { KubeError } from './errors.ts';
import { settled, VirtualClock } from './virtual-clock.ts';
import { createWorkQueue } from './workqueue.ts';

function running(reconcile: ControllerOptions['reconcile'], options: Partial<ControllerOptions> = {}) {
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock });
  const reports: ReconcileReport[] = [];
  const stop = new AbortController();
  const onReconciled = (report: ReconcileReport): void => void reports.push(report);
  const controller = createController({ queue, reconcile, ready: [], clock, onReconciled, ...options });
  let ended = false;
  const run = controller.run(stop.signal).then(() => (ended = true));
  return { clock, queue, reports, stop, controller, run, ended: () => ended };
}

test('nothing is reconciled before every reflector has synced', async () => {
  const synced = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const seen: string[] = [];
  const reconcile = (key: string) => Promise.resolve(void seen.push(key)).then(() => ({}));
  const { queue, clock } = running(reconcile, { ready: synced.map(({ promise }) => promise) });
  queue.add('a');
  synced[0].resolve();
  await clock.advance(100);
  assert.deepEqual(seen, []);
  synced[1].resolve();
  await settled();
  assert.deepEqual(seen, ['a']);
});

test('a failed reconcile comes back after a backoff, a successful one when it asked to', async () => {
  const outcomes = [
    () => Promise.reject(new Error('first')),
    () => Promise.reject(new Error('second')),
    () => Promise.resolve({ requeueAfterSeconds: 60 }),
  ];
  const times: number[] = [];
  const { queue, clock, reports } = running(() => {
    times.push(clock.seconds());
    return outcomes.shift()?.() ?? Promise.resolve({});
  });
  queue.add('a');
  await clock.advance(1000);
  assert.deepEqual(times, [0, 0.005, 0.015, 60.015]);
  assert.deepEqual(
    reports.map(({ error }) => error?.message),
    ['first', 'second', undefined, undefined],
  );
});

test('what a reconcile throws at once, or throws that is no Error, is a failure of that key and of nothing else', async () => {
  const { queue, clock, reports } = running((key) => {
    if (key === 'bad') throw 'a string'; // oxlint-disable-line no-throw-literal
    return Promise.resolve({});
  });
  queue.add('bad');
  queue.add('good');
  await clock.advance(0.001);
  assert.deepEqual(
    reports.map(({ key, error }) => [key, error?.message]),
    [
      ['bad', 'a string'],
      ['good', undefined],
    ],
  );
});

test('an API server that asks for patience gets it', async () => {
  const times: number[] = [];
  const { queue, clock } = running(() => {
    times.push(clock.seconds());
    return Promise.reject(new KubeError('TooManyRequests', 'later', { retryAfterSeconds: 9 }));
  });
  queue.add('a');
  await clock.advance(10);
  assert.deepEqual(times, [0, 9]);
});

test('a reconcile that hangs is told to stop at its deadline, and its key waits until it has really ended', async () => {
  const gate = Promise.withResolvers<void>();
  let started = 0;
  const reasons: unknown[] = [];
  const { queue, clock, controller, reports } = running(
    async (_key, signal) => {
      started += 1;
      signal.addEventListener('abort', () => reasons.push(signal.reason));
      if (started === 1) await gate.promise;
      signal.throwIfAborted();
      return {};
    },
    { timeoutSeconds: 30 },
  );
  queue.add('a');
  await clock.advance(29);
  queue.add('a');
  assert.equal(reasons.length, 0);
  await clock.advance(31);
  assert.deepEqual([started, reasons.length, controller.longestSeconds()], [1, 1, 60]);
  gate.resolve();
  await clock.advance(1);
  assert.equal(started > 1, true);
  assert.match(String(reports[0]?.error), /reconciling a took longer than 30 seconds/);
  assert.equal(controller.longestSeconds(), 0);
});

test('asked to stop, it lets what runs come to its end, takes nothing new, and tells what runs on after the grace', async () => {
  const gate = Promise.withResolvers<void>();
  const told: string[] = [];
  const seen: string[] = [];
  const { queue, clock, stop, ended, run } = running(
    async (key, signal) => {
      seen.push(key);
      if (key === 'slow') await gate.promise;
      if (key === 'stuck') await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(void told.push(key))));
      return {};
    },
    { workers: 2, graceSeconds: 10 },
  );
  for (const key of ['slow', 'stuck', 'late']) queue.add(key);
  await settled();
  stop.abort();
  await clock.advance(5);
  gate.resolve();
  await clock.advance(4);
  assert.deepEqual([seen, told, ended()], [['slow', 'stuck'], [], false]);
  await clock.advance(1);
  await run;
  assert.deepEqual([seen, told], [['slow', 'stuck'], ['stuck']]);
});

test('a controller that is stopped before its reflectors have synced ends', async () => {
  const { stop, run } = running(() => Promise.resolve({}), { ready: [new Promise(() => {})] });
  stop.abort();
  await run;
});

test('with any number of workers, failures and changes, no key is reconciled twice at once, and each change is followed by a success', async () => {
  const change = fc.record({ key: fc.constantFrom('a', 'b', 'c'), pauseSeconds: fc.double({ min: 0, max: 2, noNaN: true }) });
  const course = fc.record({ seconds: fc.double({ min: 0, max: 3, noNaN: true }), fails: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(change, { maxLength: 20 }),
      fc.array(course, { maxLength: 40 }),
      async (workers, changes, courses) => {
        const busy = new Set<string>();
        const wanted = new Map<string, number>();
        const done = new Map<string, number>();
        const faults: string[] = [];
        const { queue, clock } = running(
          async (key) => {
            if (busy.has(key)) faults.push(key);
            busy.add(key);
            const version = wanted.get(key) ?? 0;
            const { seconds, fails } = courses.shift() ?? { seconds: 0, fails: false };
            await new Promise<void>((resolve) => void clock.after(seconds, resolve));
            busy.delete(key);
            if (fails) throw new Error('by course');
            done.set(key, version);
            return {};
          },
          { workers },
        );
        for (const { key, pauseSeconds } of changes) {
          wanted.set(key, (wanted.get(key) ?? 0) + 1);
          queue.add(key);
          await clock.advance(pauseSeconds);
        }
        await clock.advance(1000);
        assert.deepEqual(faults, []);
        assert.deepEqual(done, wanted);
      },
    ),
    { numRuns: 50 },
  );
});
