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
import { beyondTolerance, type Deviation, largestDeviation, NATIVE_TOLERANCES, type Quantity } from '../trainer/golden/deviations.ts';
import { startTwin, twinCase } from './twin.ts';

for (const name of GOLDEN_CASES) {
  test(`the TensorFlow twin computes the reference's numbers of ${name}: images, terms, gradients, three training iterations`, async (t) => {
    const golden = goldenCase(t, name);
    if (golden) await compare(t, golden, name, golden.trainLods, false);
  });
}

test('the twin compiled by XLA computes them too', async (t) => {
  const golden = goldenCase(t, 'a_base');
  if (golden) await compare(t, golden, 'a_base', [1], true);
});

async function compare(t: TestContext, golden: GoldenCase, name: string, lods: readonly number[], xla: boolean): Promise<void> {
  const found = await replay(t, golden, name, lods, xla);
  if (!found) return;
  const deviations = [...found].map(([key, actual]): Deviation => {
    const quantity = quantityOf(key);
    return {
      at: key,
      quantity,
      deviation: largestDeviation(actual, golden.values(key).data),
      tolerance: NATIVE_TOLERANCES[quantity],
    };
  });
  assert.deepEqual(beyondTolerance(deviations), []);
  const quantities = new Set(deviations.map(({ quantity }) => quantity));
  assert.deepEqual(
    Object.keys(NATIVE_TOLERANCES).filter((quantity) => !quantities.has(quantity as Quantity)),
    [],
    'quantities that were not compared',
  );
}

/** What the twin made of the case, by the case's own names; undefined where it cannot run and the test is skipped. */
async function replay(t: TestContext, golden: GoldenCase, name: string, lods: readonly number[], xla: boolean) {
  const file = shared(t, `golden/${name}.safetensors`);
  const twin = judgePackages(t) === undefined ? undefined : startTwin(2);
  if (file === undefined || twin === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'pggan-twin-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const out = join(folder, 'found.safetensors');
  const { shape, loss, optimizer, averagingDecay, learningRate } = golden;
  const options = { shape, loss, optimizer, averagingDecay, precision: 'Float32', mirrorAugment: false } as const;
  const cases = Object.fromEntries(
    lods.map((lod) => {
      const minibatch = golden.values(`lod${lod}/in/latD`).shape[0] ?? 0;
      const key = { resolution: shape.resolution / 2 ** Math.floor(lod), minibatch, fading: lod % 1 > 0 };
      return [String(lod), twinCase(options, key, { xla, learningRate })];
    }),
  );
  try {
    await twin.ask({ golden: file, out, losses: cases, training: cases });
  } finally {
    await twin.close();
  }
  const { tensors } = parseSafetensors(await readFile(out), out);
  return new Map([...tensors].map(([key, tensor]) => [key, floatsOf(tensor, key)]));
}

function quantityOf(key: string): Quantity {
  if (key.endsWith('/G_images')) return 'images';
  if (/_loss_mean$|label_penalty/.test(key)) return 'losses';
  if (key.endsWith('/mixed_norms')) return 'gradientNorms';
  if (key.includes('/grad/')) return key.includes('/grad/G/') ? 'gradientsG' : 'gradientsD';
  if (key.includes('/after/')) return key.includes('/after/Gs/') ? 'weightsAveraged' : 'weightsTrained';
  return key.includes('/adam_') ? 'adamMoments' : 'scores';
}
