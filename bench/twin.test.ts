import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { GOLDEN_CASES, goldenCase } from '../test/harness/golden.ts';
import { judgePackages } from '../test/harness/judge.ts';
import { shared } from '../test/harness/shared.ts';
import { floatsOf, parseSafetensors } from '../trainer/checkpoint/safetensors.ts';
import type { GoldenCase } from '../trainer/golden/case.ts';
import { beyondTolerance, compared, NATIVE_TOLERANCES, type Quantity, quantityOf } from '../trainer/golden/deviations.ts';
import { startTwin, twinCase } from './twin.ts';

for (const name of GOLDEN_CASES) {
  test(`the TensorFlow twin computes the reference's numbers of ${name}: images, terms, gradients, three training iterations`, async (t) => {
    const golden = goldenCase(t, name);
    if (golden) await compare(t, golden, name, golden, false);
  });
}

// Compiling takes many times as long as computing: a level that has just faded in, and one that fades in, with labels.
for (const [name, lod] of [
  ['a_base', 1],
  ['b_labels3', 0.25],
] as const) {
  test(`the twin compiled by XLA computes them too: ${name} at level ${lod}`, async (t) => {
    const golden = goldenCase(t, name);
    if (golden) await compare(t, golden, name, { lods: [lod], trainLods: [lod] }, true);
  });
}

/** Levels of detail at which losses, and training iterations, are replayed. */
type Levels = Pick<GoldenCase, 'lods' | 'trainLods'>;

async function compare(t: TestContext, golden: GoldenCase, name: string, levels: Levels, xla: boolean): Promise<void> {
  const found = await replay(t, golden, name, levels, xla);
  if (!found) return;
  const deviations = [...found].map(([key, actual]) => compared(key, quantityOf(key), actual, golden.values(key).data, NATIVE_TOLERANCES));
  assert.deepEqual(beyondTolerance(deviations), []);
  const quantities = new Set(deviations.map(({ quantity }) => quantity));
  assert.deepEqual(
    Object.keys(NATIVE_TOLERANCES).filter((quantity) => !quantities.has(quantity as Quantity)),
    [],
    'quantities that were not compared',
  );
}

/** What the twin made of the case, by the case's own names; undefined where it cannot run and the test is skipped. */
async function replay(t: TestContext, golden: GoldenCase, name: string, { lods, trainLods }: Levels, xla: boolean) {
  const file = shared(t, `golden/${name}.safetensors`);
  const twin = judgePackages(t) === undefined ? undefined : startTwin(2);
  if (file === undefined || twin === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'pggan-twin-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const out = join(folder, 'found.safetensors');
  const { shape, loss, optimizer, averagingDecay, learningRate } = golden;
  const options = { shape, loss, optimizer, averagingDecay, precision: 'Float32', mirrorAugment: false } as const;
  const cases = (lods: readonly number[], latents: (lod: number) => string) =>
    Object.fromEntries(
      lods.map((lod) => {
        const minibatch = golden.values(latents(lod)).shape[0] ?? 0;
        const key = { resolution: shape.resolution / 2 ** Math.floor(lod), minibatch, fading: lod % 1 > 0 };
        return [String(lod), twinCase(options, key, { xla, learningRate })];
      }),
    );
  const losses = cases(lods, (lod) => `lod${lod}/in/latD`);
  const training = cases(trainLods, (lod) => `train_lod${lod}/it0/in/latD`);
  try {
    await twin.ask({ golden: file, out, losses, training });
  } finally {
    await twin.close();
  }
  const { tensors } = parseSafetensors(await readFile(out), out);
  return new Map([...tensors].map(([key, tensor]) => [key, floatsOf(tensor, key)]));
}
