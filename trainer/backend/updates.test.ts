import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from './backend.ts';
import { compileProgram } from './compile.ts';
import type { Program, ProgramDefinition } from './program.ts';
import { allFinite, applyAdamIf, applyLerp, applySum } from './updates.ts';

before(async () => {
  await prepareBackend({ threads: 2, want: 'native' });
});

const adam = { beta1: 0.5, beta2: 0.99, epsilon: 1e-8 } as const;

/** Step `adam` updates w where the gradient is finite; `average` lets `mean` follow w; `gather` adds half of what it is fed to m. */
const program = (mode: ProgramDefinition['mode']): Program =>
  compileProgram({
    mode,
    variables: { w: [3], m: [3], v: [3], mean: [3] },
    steps: ({ w, m, v, mean }) => ({
      adam: ({ gradient, learningRate, beta1Power, beta2Power }) => {
        const ok = allFinite([gradient!, learningRate!]);
        const powers = { beta1Power: beta1Power!, beta2Power: beta2Power! };
        applyAdamIf(ok, { ...adam, ...powers, learningRate: learningRate! }, [{ variable: w!, m: m!, v: v!, gradient: gradient! }]);
        return { ok };
      },
      average: () => {
        applyLerp(mean!, w!.read(), 0.25);
        return {};
      },
      gather: ({ gradient }) => {
        applySum(m!, gradient!, 0.5);
        return {};
      },
    }),
    example: (step, variant) => {
      if (step === 'gather') return { gradient: tf.tensor1d([variant, 1, 2]) };
      return step === 'adam' ? adamFeeds([variant, 1, 2], variant + 1) : {};
    },
  });

const adamFeeds = (gradient: readonly number[], t: number) => ({
  gradient: tf.tensor1d([...gradient]),
  learningRate: tf.scalar(0.1),
  beta1Power: tf.scalar(adam.beta1 ** t),
  beta2Power: tf.scalar(adam.beta2 ** t),
});

for (const [backend, mode] of [
  ['tensorflow', 'eager'],
  ['tensorflow', 'graph'],
  ['wasm', 'eager'],
] as const) {
  describe(`on ${backend} in ${mode} mode`, () => {
    before(async () => {
      if (backend === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
      await tf.setBackend(backend);
    });

    test('Adam follows the TF1 form computed in double precision', () => {
      const p = program(mode);
      const [w, m, v] = [
        [1, -2, 3],
        [0, 0, 0],
        [0, 0, 0],
      ] as [number[], number[], number[]];
      p.write(new Map([['w', Float32Array.from(w)]]));
      for (const [index, gradient] of [
        [1, -2, 0.5],
        [0, 3, -1e-3],
        [2, 0, 0],
      ].entries()) {
        const t = index + 1;
        tf.dispose(p.run('adam', adamFeeds(gradient, t)));
        const alpha = (0.1 * Math.sqrt(1 - adam.beta2 ** t)) / (1 - adam.beta1 ** t);
        gradient.forEach((g, i) => {
          m[i]! += (g - m[i]!) * (1 - adam.beta1);
          v[i]! += (g * g - v[i]!) * (1 - adam.beta2);
          w[i]! -= (m[i]! * alpha) / (Math.sqrt(v[i]!) + adam.epsilon);
        });
      }
      const got = p.read();
      for (const [name, expected] of [
        ['w', w],
        ['m', m],
        ['v', v],
      ] as const) {
        expected.forEach((value, i) =>
          assert.ok(Math.abs(got.get(name)![i]! - value) < 2e-6, `${name}[${i}]: ${got.get(name)![i]} for ${value}`),
        );
      }
      p.dispose();
    });

    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      test(`a gradient with ${bad} leaves weights and moments as they are, bit for bit, and says so`, () => {
        const p = program(mode);
        p.write(new Map([['w', Float32Array.of(1e-30, -7.123, 3e30)]]));
        tf.dispose(p.run('adam', adamFeeds([1, -2, 3e-5], 1)));
        const before = p.read();
        assert.equal(p.run('adam', adamFeeds([1, bad, 3], 2))['ok']!.dataSync()[0], 0);
        assert.deepEqual(p.read(), before);
        assert.equal(p.run('adam', adamFeeds([1, 1e38, -1e38], 2))['ok']!.dataSync()[0], 1, 'large is not infinite');
        p.dispose();
      });
    }

    test('an average follows its target by the share given', () => {
      const p = program(mode);
      p.write(
        new Map([
          ['w', Float32Array.of(4, 8, -4)],
          ['mean', Float32Array.of(0, 4, 0)],
        ]),
      );
      tf.dispose(p.run('average', {}));
      assert.deepEqual([...p.read(['mean']).get('mean')!], [1, 5, -1]);
      tf.dispose(p.run('average', {}));
      assert.deepEqual([...p.read(['mean']).get('mean')!], [1.75, 5.75, -1.75]);
      p.dispose();
    });

    test('what is gathered adds up by its share, and what is not finite stays so', () => {
      const p = program(mode);
      p.write(new Map([['m', Float32Array.of(1, 0, 0)]]));
      for (const gradient of [
        [2, -4, Number.POSITIVE_INFINITY],
        [4, 1, 1],
      ])
        tf.dispose(p.run('gather', { gradient: tf.tensor1d(gradient) }));
      assert.deepEqual([...p.read(['m']).get('m')!], [4, -1.5, Number.POSITIVE_INFINITY]);
      p.dispose();
    });
  });
}
