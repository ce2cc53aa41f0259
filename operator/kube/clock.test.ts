import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, systemClock, within } from './clock.ts';
import { settled, VirtualClock } from './virtual-clock.ts';

const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));

test('a wait of months does not end at once, as a timer of Node would', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let called = 0;
  systemClock.after(90 * 86_400, () => (called += 1));
  for (let day = 0; day < 89; day += 1) t.mock.timers.tick(86_400_000);
  assert.equal(called, 0);
  // A mocked timer that is set within a tick counts from the end of the tick.
  for (let day = 0; day < 6; day += 1) t.mock.timers.tick(86_400_000);
  assert.equal(called, 1);
});

test('a sleeper wakes when its time has come or its signal is aborted, and leaves no timer behind', async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  let woken = 0;
  void sleep(clock, 5).then(() => (woken += 1));
  void sleep(clock, 500, controller.signal).then(() => (woken += 1));
  await clock.advance(5);
  assert.equal(woken, 1);
  controller.abort();
  await settled();
  assert.equal(woken, 2);
  assert.equal(clock.nextSeconds, undefined);
  await sleep(clock, 500, controller.signal);
});

test('what runs within a limit is told when time is up, or when its parent gives up, and why', async () => {
  const clock = new VirtualClock();
  const parent = new AbortController();
  const limit = { clock, seconds: 3, parent: parent.signal, reason: () => new Error('late') };
  const late = within(limit, untilAborted);
  await clock.advance(3);
  assert.equal(((await late) as Error).message, 'late');
  const given = within(limit, untilAborted);
  parent.abort(new Error('enough'));
  assert.equal(((await given) as Error).message, 'enough');
  assert.equal(clock.nextSeconds, undefined);
});
