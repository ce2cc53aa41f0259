import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { settled, VirtualClock } from './virtual-clock.ts';
import { createWorkQueue, type QueueMetrics, type WorkQueue } from './workqueue.ts';

type Step =
  | { readonly kind: 'add' | 'retry' | 'forget'; readonly key: string }
  | { readonly kind: 'addAfter'; readonly key: string; readonly seconds: number }
  | { readonly kind: 'finish'; readonly nth: number }
  | { readonly kind: 'pass'; readonly seconds: number };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('retry' as const, 'forget' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('addAfter' as const), key, seconds: fc.integer({ min: 0, max: 20 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('finish' as const), nth: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 10 }) }) },
);

/** Workers that hold what they took until they are told to finish, and check what a queue promises each time they take. */
class Crew {
  readonly held: string[] = [];
  readonly faults: unknown[] = [];
  /** Keys for which work was asked since they were last taken: now, or at a time. */
  readonly asked = new Set<string>();
  readonly askedFor = new Map<string, number>();
  readonly #queue: WorkQueue;
  readonly #clock: VirtualClock;

  constructor(queue: WorkQueue, clock: VirtualClock, workers: number) {
    this.#queue = queue;
    this.#clock = clock;
    for (let worker = 0; worker < workers; worker += 1) this.#take();
  }

  ask(key: string, seconds: number): void {
    const now = this.#clock.seconds();
    const earlier = this.askedFor.get(key) ?? Infinity;
    // A wish that has come due waits in the queue already: the new one is another, for its own time.
    if (seconds === 0 || earlier <= now) this.asked.add(key);
    if (seconds > 0) this.askedFor.set(key, earlier <= now ? now + seconds : Math.min(earlier, now + seconds));
  }

  /** What somebody waits for at this moment. */
  due(): readonly string[] {
    const times = [...this.askedFor].filter(([, at]) => at <= this.#clock.seconds()).map(([key]) => key);
    return [...this.asked, ...times].filter((key) => !this.held.includes(key));
  }

  finish(nth: number): void {
    const [key] = this.held.splice(nth % Math.max(1, this.held.length), 1);
    if (key === undefined) return;
    this.#queue.done(key);
    this.#take();
  }

  #take(): void {
    this.#queue
      .take()
      .then((key) => key !== undefined && this.#got(key))
      .catch((error: unknown) => this.faults.push(error));
  }

  #got(key: string): void {
    assert.ok(!this.held.includes(key), `${key} was handed to two workers at once`);
    const due = (this.askedFor.get(key) ?? Infinity) <= this.#clock.seconds();
    assert.ok(this.asked.has(key) || due, `${key} was handed out before anybody wanted it again`);
    this.asked.delete(key);
    if (due) this.askedFor.delete(key);
    this.held.push(key);
  }
}

test('whatever is added is worked on afterwards, once, never by two, and not before its time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
      const clock = new VirtualClock();
      // Retries that are all due at once: when they come is another test's matter.
      const queue = createWorkQueue({ clock, retryMinSeconds: 0, retryRate: { perSecond: 1, burst: 1000 } });
      const crew = new Crew(queue, clock, workers);
      for (const step of steps) {
        if (step.kind === 'finish') crew.finish(step.nth);
        else if (step.kind === 'pass') await clock.advance(step.seconds);
        else if (step.kind === 'forget') queue.forget(step.key);
        else {
          crew.ask(step.key, step.kind === 'addAfter' ? step.seconds : 0);
          if (step.kind === 'addAfter') queue.addAfter(step.key, step.seconds);
          else queue[step.kind](step.key);
        }
        await settled();
        if (crew.held.length < workers) assert.deepEqual(crew.due(), [], 'a worker is idle while these wait');
      }
      await clock.advance(20);
      while (crew.held.length > 0 && crew.faults.length === 0) {
        crew.finish(0);
        await settled();
      }
      assert.deepEqual(crew.due(), [], 'these were asked for and never worked on');
      assert.equal(queue.depth, 0);
      assert.deepEqual(crew.faults, []);
    }),
    { numRuns: 300 },
  );
});

test('of several delayed wishes for one key the earliest wins, and there is one', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock });
  for (const seconds of [30, 10, 20]) queue.addAfter('a', seconds);
  await clock.advance(9.9);
  assert.equal(queue.depth, 0);
  await clock.advance(0.1);
  assert.equal(await queue.take(), 'a');
  queue.done('a');
  await clock.advance(60);
  assert.equal(queue.depth, 0);
});

test('each key backs off by itself, doubling from 5 ms to its longest, until it is forgotten', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock, retryMaxSeconds: 1 });
  const wait = async (key: string): Promise<number> => {
    const started = clock.seconds();
    queue.retry(key);
    await clock.advance(clock.nextSeconds ?? 0);
    assert.equal(await queue.take(), key);
    queue.done(key);
    return Math.round((clock.seconds() - started) * 1000);
  };
  const waits: number[] = [];
  for (let failure = 0; failure < 10; failure += 1) waits.push(await wait('bad'));
  assert.deepEqual(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
  assert.equal(await wait('good'), 5);
  queue.forget('bad');
  assert.equal(await wait('bad'), 5);
});

test('a server that asks to be left alone is left alone, however short the backoff', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock });
  queue.retry('a', 7);
  assert.equal(clock.nextSeconds, 7);
});

test('when everything fails, retries come at the rate of one bucket', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock, retryRate: { perSecond: 10, burst: 100 } });
  for (let at = 0; at < 300; at += 1) queue.retry(`key-${at}`);
  await clock.advance(1);
  assert.equal(queue.depth, 110);
  await clock.advance(19);
  assert.equal(queue.depth, 300);
});

test('a queue that is shut down hands out nothing, takes in nothing, and tells when the last work is done', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock });
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 5);
  assert.equal(await queue.take(), 'a');
  const idle = queue.take();
  assert.equal(await idle, 'b');
  const waiting = queue.take();
  let ended = false;
  const shutDown = queue.shutDown().then(() => (ended = true));
  assert.equal(await waiting, undefined);
  queue.add('a');
  queue.done('a');
  await clock.advance(10);
  assert.equal(ended, false, 'b is still being worked on');
  assert.equal(await queue.take(), undefined);
  queue.done('b');
  await shutDown;
  assert.equal(queue.depth, 0);
});

test('a key that nobody took cannot be given back', () => {
  assert.throws(() => createWorkQueue().done('a'), /a was given back/);
});

test('a queue says how deep it is, what came in, and how long waiting and work took', async () => {
  const clock = new VirtualClock();
  const said: (readonly [keyof QueueMetrics, number?])[] = [];
  const metrics: QueueMetrics = {
    depth: (keys) => void said.push(['depth', keys]),
    added: () => void said.push(['added']),
    retried: () => void said.push(['retried']),
    waited: (seconds) => void said.push(['waited', seconds]),
    worked: (seconds) => void said.push(['worked', seconds]),
  };
  const queue = createWorkQueue({ clock, metrics });
  queue.add('a');
  queue.add('a');
  await clock.advance(3);
  await queue.take();
  await clock.advance(2);
  queue.done('a');
  queue.retry('a');
  assert.deepEqual(said, [['added'], ['depth', 1], ['waited', 3], ['depth', 0], ['worked', 2], ['retried']]);
});
