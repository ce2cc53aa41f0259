import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, type TestContext, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { lacking } from '../../test/harness/lacking.ts';
import { shared } from '../../test/harness/shared.ts';
import { type Backend, prepareBackend } from '../backend/backend.ts';
import { compileProgram } from '../backend/compile.ts';
import type { Feeds, ProgramDefinition } from '../backend/program.ts';
import { floatsOf, parseSafetensors } from '../checkpoint/safetensors.ts';
import { processReals } from './process-reals.ts';

let backend: Backend;
before(async () => {
  backend = await prepareBackend({ threads: 1 });
});

for (const [name, fade] of [
  ['lod0', 0],
  ['lod0.25', 0.25],
  ['lod0.75', 0.75],
  ['lod1', 0],
  ['lod1.5', 0.5],
  ['lod2', 0],
  ['rgb_lod1.3', 0.3],
] as const) {
  for (const mode of ['eager', 'graph'] as const) {
    test(`reals fade in as the reference's do (${mode}): ${name}`, async (t) => {
      const file = shared(t, 'golden/process_reals.safetensors');
      if (file === undefined || (mode === 'graph' && !traces(t))) return;
      const { tensors } = parseSafetensors(await readFile(file), file);
      const input = tensors.get(`${name}/in_u8`) ?? assert.fail();
      const expected = tensors.get(`${name}/out`) ?? assert.fail();
      const [n = 0, channels = 0, size = 0] = input.shape;
      const goldenFeeds = (variant: number): Feeds =>
        tf.tidy(() => ({
          images: tf
            .tensor4d(Float32Array.from(input.data), [n, channels, size, size])
            .transpose([0, 2, 3, 1])
            .div(1 + variant),
          ...(fade > 0 ? { fade: tf.scalar(fade / (1 + variant)) } : {}),
        }));
      const program = compileProgram({ mode, ...PROGRAM, example: (_, variant) => goldenFeeds(variant) });
      t.after(() => program.dispose());
      const deviation = tf.tidy(() => {
        const { out: faded } = program.run('reals', goldenFeeds(0));
        // The golden images are enlarged to the network's 16x16 by repeating pixels; ours stay at their own resolution.
        const enlarged = tf.image.resizeNearestNeighbor(faded as tf.Tensor4D, [16, 16]).transpose([0, 3, 1, 2]);
        return enlarged
          .sub(tf.tensor(floatsOf(expected, name), [n, channels, 16, 16]))
          .abs()
          .max()
          .dataSync()[0];
      });
      assert.ok(deviation !== undefined && deviation <= 5e-5, `largest deviation ${deviation}`);
    });
  }
}

test('exactly the images asked for are mirrored left to right, bit for bit', () => {
  const [plain, turned, reversed] = tf.tidy(() => {
    const images = tf.tensor4d(
      Float32Array.from({ length: 3 * 4 * 4 * 3 }, (_, i) => (i * 41) % 256),
      [3, 4, 4, 3],
    );
    const plain = processReals(images);
    return [plain, processReals(images, { mirror: tf.tensor1d([0, 1, 0]) }), tf.reverse(plain, 2)].map((x) => x.arraySync());
  });
  assert.deepEqual(turned, [plain?.[0], reversed?.[1], plain?.[2]]);
});

test('the range is [-1, 1]: 0 becomes -1 and 255 becomes 1', () => {
  const ends = tf.tidy(() => [...processReals(tf.tensor4d([0, 255, 127.5, 0], [1, 2, 2, 1])).dataSync()]);
  assert.deepEqual(ends, [-1, 1, 0, -1]);
});

test('inside a traced step the reals are, to the last bits, those of the eager one, whatever fade and mirror are fed', (t) => {
  if (!traces(t)) return;
  const [graph, eager] = (['graph', 'eager'] as const).map((mode) => {
    const program = compileProgram({ mode, ...PROGRAM });
    const outputs = [0, 1].map((variant) => [...(program.run('reals', feeds(variant))['out']?.dataSync() ?? [])]);
    program.dispose();
    return outputs;
  });
  const apart = graph?.flat().map((value, i) => Math.abs(value - (eager?.flat()[i] ?? Number.NaN))) ?? [];
  assert.equal(apart.length, 256);
  assert.ok(Math.max(...apart) <= 2e-7, `largest deviation ${Math.max(...apart)}`);
});

/** Whether steps can be traced here; otherwise the test is skipped (a failure with CI=true). */
function traces(t: TestContext): boolean {
  if (backend.kind === 'native') return true;
  lacking(t, 'steps are traced on the native backend only');
  return false;
}

function feeds(variant: number): Feeds {
  return {
    images: tf.tensor4d(
      Float32Array.from({ length: 2 * 8 * 8 }, (_, i) => (i * 41 + variant * 7) % 256),
      [2, 8, 8, 1],
    ),
    fade: tf.scalar(0.25 + variant * 0.5),
    mirror: tf.tensor4d([variant, 1 - variant], [2, 1, 1, 1]),
  };
}

const PROGRAM: Omit<ProgramDefinition, 'mode'> = {
  variables: { unused: [1] },
  steps: () => ({ reals: ({ images, fade, mirror }) => ({ out: processReals(images as tf.Tensor4D, { fade, mirror }) }) }),
  example: (_, variant) => feeds(variant),
};
