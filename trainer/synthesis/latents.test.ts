import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import { labelsOf, latentsOf } from './latents.ts';

test("RandomState's latents are those that the original draws for its seed 1000", () => {
  const first = latentsOf({ latents: 'RandomState', seed: 1000 }, 4)(0);
  // As NumPy prints them, to eight digits.
  for (const [i, value] of [-0.8044583, 0.32093155, -0.02548288, 0.64432383].entries())
    assert.ok(Math.abs((first[i] ?? NaN) - value) < 5e-8, `${i}: ${first[i]}`);
});

test('NumPy draws the same rows, also where a pair of numbers falls into two of them', (t) => {
  const [seed, rows, size] = [77, 41, 7];
  const said = judge(
    t,
    'import sys, json, numpy\nseed, rows, size = map(int, sys.argv[1:])\nprint(json.dumps(numpy.random.RandomState(seed).randn(rows, size).astype("float32").tolist()))',
    [seed, rows, size].map(String),
  );
  if (said === undefined) return;
  const latents = latentsOf({ latents: 'RandomState', seed }, size);
  const ours = Array.from({ length: rows }, (_, index) => [...latents(index)]);
  const theirs = JSON.parse(said) as readonly (readonly number[])[];
  // The logarithm of one C library may differ from another's in its last bit.
  for (const [row, values] of theirs.entries())
    for (const [i, value] of values.entries()) assert.ok(Math.abs((ours[row]?.[i] ?? NaN) - value) <= 3e-7, `row ${row}, ${i}`);
});

for (const kind of ['RandomState', 'Philox'] as const) {
  test(`a shard's latents (${kind}) are those of the whole, whichever images are left to make`, () => {
    const [whole, shard] = [latentsOf({ latents: kind, seed: 5 }, 3), latentsOf({ latents: kind, seed: 5 }, 3)];
    const all = Array.from({ length: 12 }, (_, index) => whole(index));
    for (const index of [1, 4, 10]) assert.deepEqual(shard(index), all[index]);
  });
}

test('a document of an operator that knows no other numbers gets the ones it meant', () => {
  assert.deepEqual(latentsOf({ seed: 5 }, 3)(2), latentsOf({ latents: 'Philox', seed: 5 }, 3)(2));
});

test('a class is drawn alone where it is asked for, else the classes come in turn', () => {
  assert.deepEqual([0, 1, 2, 3].map(labelsOf({}, 3)), [0, 1, 2, 0]);
  assert.deepEqual([0, 1, 2, 3].map(labelsOf({ label: 2 }, 3)), [2, 2, 2, 2]);
  assert.equal(labelsOf({}, 0)(5), undefined);
});

test('a class that the network does not have is refused, with those that it has', () => {
  assert.throws(() => labelsOf({ label: 3 }, 3), {
    code: 'OptionsInvalid',
    message: /spec.label is 3, but the network has 3 classes, 0 to 2/,
  });
  assert.throws(() => labelsOf({ label: 0 }, 0), { code: 'OptionsInvalid', message: /was trained without labels/ });
});
