import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { cosineAndSineOfTurns, createRandom, logarithm, philox4x32 } from './random.ts';

const words = (text: string): Uint32Array => Uint32Array.from(text.split(' '), (word) => Number.parseInt(word, 16));

// Known answers published with Random123 (Salmon et al. 2011): counter, key, result of ten rounds.
for (const [counter, key, result] of [
  ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
] as const) {
  test(`Philox4x32-10 gives the published answer for counter ${counter}`, () => {
    const block = words(counter);
    const [k0 = 0, k1 = 0] = words(key);
    philox4x32(block, 0, [k0, k1]);
    assert.deepEqual(block, words(result));
  });
}

test('a draw is Philox of (block, counter, 0) under the first 64 bits of SHA-256 of seed and stream', () => {
  const digest = createHash('sha256').update('1000/latents').digest();
  const block = Uint32Array.of(1, 7, 2, 0);
  philox4x32(block, 0, [digest.readUInt32LE(0), digest.readUInt32LE(4)]);
  const drawn = createRandom(1000).uniform('latents', 2 * 2 ** 32 + 7, 8);
  assert.deepEqual(
    [...drawn.subarray(4)],
    [...block].map((word) => (word >>> 8) / 2 ** 24),
  );
});

test('the same name gives the same numbers in any order of asking, and a short draw begins a longer one', () => {
  const random = createRandom(5);
  const first = random.normal('latents', 3, 7);
  random.normal('labels', 3, 100);
  assert.deepEqual(createRandom(5).normal('latents', 3, 50).subarray(0, 7), first);
  assert.deepEqual(random.uniform('mixing', 9, 200).subarray(0, 5), random.uniform('mixing', 9, 5));
});

test('another seed, stream or counter gives other numbers', () => {
  const base = createRandom(5).uniform('a', 0, 64);
  for (const other of [createRandom(6).uniform('a', 0, 64), createRandom(5).uniform('b', 0, 64), createRandom(5).uniform('a', 1, 64)]) {
    assert.ok(base.every((value, i) => value !== other[i]));
  }
});

test('uniform numbers fill [0, 1) evenly', () => {
  const drawn = createRandom(1).uniform('test', 0, 100_000);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const value of drawn) {
    assert.ok(value >= 0 && value < 1);
    tenths[Math.floor(value * 10)]! += 1;
  }
  const chiSquare = tenths.reduce((sum, seen) => sum + (seen - 10_000) ** 2 / 10_000, 0);
  assert.ok(chiSquare < 27.9, `chi-square ${chiSquare} is beyond the 99.9% quantile of 9 degrees of freedom`);
});

test('normal numbers have the moments of the standard normal distribution, and neighbours are uncorrelated', () => {
  const n = 200_000;
  const drawn = createRandom(2).normal('test', 0, n);
  const mean = (f: (x: number, i: number) => number): number => drawn.reduce((sum, x, i) => sum + f(x, i), 0) / n;
  assert.ok(Math.abs(mean((x) => x)) < 4 / Math.sqrt(n));
  assert.ok(Math.abs(mean((x) => x * x) - 1) < 4 * Math.sqrt(2 / n));
  assert.ok(Math.abs(mean((x) => x ** 3)) < 4 * Math.sqrt(15 / n));
  assert.ok(Math.abs(mean((x) => x ** 4) - 3) < 4 * Math.sqrt(96 / n));
  assert.ok(Math.abs(mean((x, i) => x * (drawn[(i + 1) % n] ?? 0))) < 4 / Math.sqrt(n));
});

test('logarithm, sine and cosine agree with the engine to the last bits', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (word) => {
      const x = word / 2 ** 32;
      assert.ok(Math.abs(logarithm(x) - Math.log(x)) <= 4e-16 * Math.max(1, Math.abs(Math.log(x))));
      if (x === 1) return;
      const [cosine, sine] = cosineAndSineOfTurns(x);
      // The engine's own argument 2*pi*x is rounded: an error of up to 4.5e-16 that ours does not have.
      assert.ok(Math.abs(cosine - Math.cos(2 * Math.PI * x)) < 1.5e-15 && Math.abs(sine - Math.sin(2 * Math.PI * x)) < 1.5e-15);
    }),
    { numRuns: 2000 },
  );
});

test('a permutation holds every number once, and every position is equally likely', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(300), (counter, n) => {
      const order = createRandom(3).permutation('data', counter, n);
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      );
    }),
  );
  const seen = Array.from({ length: 24 }, () => 0);
  const random = createRandom(4);
  for (let i = 0; i < 24_000; i++) {
    const [a = 0, b = 0, c = 0, d = 0] = random.permutation('orders', i, 4);
    seen[a * 6 + [b, c, d].filter((x) => x < b).length * 2 + (c > d ? 1 : 0)]! += 1;
  }
  const chiSquare = seen.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 49.7, `chi-square ${chiSquare} is beyond the 99.9% quantile of 23 degrees of freedom`);
});

test('integers stay below their bound, reach every value, and a negative or broken counter is refused', () => {
  const drawn = createRandom(8).integers('labels', 0, 10_000, 7);
  assert.deepEqual(
    [...new Set(drawn)].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6],
  );
  assert.ok(
    createRandom(8)
      .integers('wide', 0, 1000, 2 ** 32)
      .some((value) => value > 2 ** 31),
  );
  assert.throws(() => createRandom(8).uniform('x', -1, 1), RangeError);
  assert.throws(() => createRandom(8).uniform('x', 0.5, 1), RangeError);
  assert.throws(() => createRandom(-1).uniform('x', 0, 1), RangeError);
});
