import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import { type GoesOn, labelsOf, latentsOf } from './latents.ts';

const ever: GoesOn = async () => true;

test("RandomState's latents are those that the original draws for its seed 1000", async () => {
  const first = (await latentsOf({ latents: 'RandomState', seed: 1000 }, 4)(0, ever)) ?? [];
  // As NumPy prints them, to eight digits.
  for (const [i, value] of [-0.8044583, 0.32093155, -0.02548288, 0.64432383].entries())
    assert.ok(Math.abs((first[i] ?? NaN) - value) < 5e-8, `${i}: ${first[i]}`);
});

test('NumPy draws the same rows, also where a pair of numbers falls into two of them, and with a truncation those that it leaves', async (t) => {
  const [seed, rows, size, truncation] = [77, 41, 7, 0.7];
  const said = judge(t, ROWS, [seed, rows, size, truncation].map(String));
  if (said === undefined) return;
  const theirs = JSON.parse(said) as readonly (readonly (readonly number[])[])[];
  for (const [kind, options] of [{}, { truncation }].entries()) {
    const latents = latentsOf({ latents: 'RandomState', seed, ...options }, size);
    for (const [row, values] of (theirs[kind] ?? []).entries()) {
      const ours = await latents(row, ever);
      // The logarithm of one C library may differ from another's in its last bit.
      for (const [i, value] of values.entries()) assert.ok(Math.abs((ours?.[i] ?? NaN) - value) <= 3e-7, `row ${row}, ${i}`);
    }
  }
});

for (const kind of ['RandomState', 'Philox'] as const) {
  for (const truncation of [undefined, 0.5]) {
    const options = { latents: kind, seed: 5, ...(truncation !== undefined && { truncation }) };
    test(`a shard's latents (${kind}, truncation ${truncation}) are those of the whole, whichever images are left to make`, async () => {
      const [whole, shard] = [latentsOf(options, 30), latentsOf(options, 30)];
      const all = [];
      for (let index = 0; index < 12; index++) all.push(await whole(index, ever));
      for (const index of [1, 4, 10]) assert.deepEqual(await shard(index, ever), all[index]);
      const largest = Math.max(...all.flatMap((row) => [...(row ?? [])]).map(Math.abs));
      assert.ok(truncation === undefined ? largest > 2 : largest <= truncation && largest > 0.99 * truncation, `${largest}`);
    });
  }
}

test('numbers of other images are drawn in breaths, and no further than it is told', async () => {
  let breaths = 0;
  const latents = latentsOf({ latents: 'RandomState', seed: 5 }, 512);
  assert.equal(await latents(1_000_000_000, async () => ++breaths < 3), undefined);
  assert.equal(breaths, 3);
});

test('a document of an operator that knows no other numbers gets the ones it meant', async () => {
  assert.deepEqual(await latentsOf({ seed: 5 }, 3)(2, ever), await latentsOf({ latents: 'Philox', seed: 5 }, 3)(2, ever));
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

/** NumPy's rows, and those of the numbers that are within the truncation. */
const ROWS = `
import json, numpy, sys
seed, rows, size = map(int, sys.argv[1:4])
truncation = float(sys.argv[4])
draw = lambda count: numpy.random.RandomState(seed).randn(count)
kept = draw(rows * size * 4)
kept = kept[abs(kept) <= truncation][:rows * size]
print(json.dumps([each.astype('float32').reshape(rows, size).tolist() for each in (draw(rows * size), kept)]))
`;
