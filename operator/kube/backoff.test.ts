import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createBackoff, jittered } from './backoff.ts';
import { createTokenBucket } from './token-bucket.ts';
import { VirtualClock } from './virtual-clock.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('waits double from the shortest to the longest, each in the upper half of its step, and begin anew after a success', () => {
  fc.assert(
    fc.property(fc.infiniteStream(random), (stream) => {
      const backoff = createBackoff({ minSeconds: 0.8, maxSeconds: 30 }, () => stream.next().value);
      for (let round = 0; round < 2; round += 1) {
        for (const step of [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]) {
          const seconds = backoff.next();
          assert.ok(seconds >= step / 2 && seconds <= step, `${seconds} is not in [${step / 2}, ${step}]`);
        }
        backoff.reset();
      }
    }),
  );
});

test('ten thousand failures in a row overflow nothing', () => {
  const backoff = createBackoff({ minSeconds: 0.8, maxSeconds: 30 }, () => 0.999);
  for (let failure = 0; failure < 10_000; failure += 1) backoff.next();
  assert.ok(backoff.next() <= 30);
});

test('a jittered time lies in its share around the time', () => {
  fc.assert(fc.property(random, (value) => jittered(10, 0.1, () => value) >= 9 && jittered(10, 0.1, () => value) <= 11));
});

test('in no stretch of time does a bucket let more through than its burst and its rate', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.double({ min: 0, max: 3, noNaN: true }), fc.nat(5))), async (arrivals) => {
      const clock = new VirtualClock();
      const bucket = createTokenBucket({ perSecond: 2, burst: 5 }, clock);
      const times: number[] = [];
      for (const [pause, count] of arrivals) {
        await clock.advance(pause);
        for (let at = 0; at < count; at += 1) times.push(clock.seconds() + bucket.reserve());
      }
      times.forEach((from, first) =>
        times.forEach((to, last) => {
          if (last >= first) assert.ok(last - first + 1 <= 5 + 2 * (to - from) + 1e-6);
        }),
      );
    }),
  );
});

test('a token that is not there is not taken', async () => {
  const clock = new VirtualClock();
  const bucket = createTokenBucket({ perSecond: 1, burst: 2 }, clock);
  assert.deepEqual([bucket.tryTake(), bucket.tryTake(), bucket.tryTake(), bucket.tryTake()], [true, true, false, false]);
  await clock.advance(1);
  assert.deepEqual([bucket.tryTake(), bucket.tryTake(), bucket.full], [true, false, false]);
  await clock.advance(2);
  assert.equal(bucket.full, true);
});
