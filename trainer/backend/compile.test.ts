import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from './backend.ts';
import { compileProgram } from './compile.ts';
import type { ProgramDefinition } from './program.ts';

before(async () => {
  const backend = await prepareBackend({ threads: 2, want: 'native' });
  assert.equal(backend.kind, 'native');
});

/** `add` adds its feed to `total`, `swap` exchanges two variables, `touch` writes and returns nothing, `same` returns its feed twice. */
function counters(mode: ProgramDefinition['mode']): ProgramDefinition {
  return {
    mode,
    variables: { total: [2], 'other/w': [2] },
    steps: ({ total, 'other/w': other }) => ({
      add: ({ x }) => {
        const before = total!.read();
        total!.assign(tf.add(before, x!));
        const between = total!.read();
        total!.assign(tf.mul(between, 2));
        return { before, between, after: total!.read() };
      },
      swap: () => {
        const [a, b] = [total!.read(), other!.read()];
        total!.assign(b);
        other!.assign(a);
        return { a };
      },
      touch: ({ x }) => {
        other!.assign(x!);
        return {};
      },
      same: ({ x }) => ({ one: x!, two: x! }),
    }),
    example: (step, variant) => (step === 'swap' ? {} : { x: tf.tensor1d([variant, variant + 1]) }),
  };
}

const values = (tensor: tf.Tensor | undefined): number[] => Array.from(tensor!.dataSync());
const x = (...numbers: number[]) => ({ x: tf.tensor1d(numbers) });

for (const mode of ['eager', 'graph'] as const) {
  describe(`a program in ${mode} mode`, () => {
    test('starts with variables that are zero', () => {
      const program = compileProgram(counters(mode));
      assert.deepEqual(program.read(['other/w']), new Map([['other/w', Float32Array.of(0, 0)]]));
      assert.deepEqual(values(program.run('add', x(1, 2))['after']), [2, 4]);
      program.dispose();
    });

    test('reads see the writes before them and none after them', () => {
      const program = compileProgram(counters(mode));
      program.write(new Map([['total', Float32Array.of(10, 20)]]));
      for (const expected of [
        { before: [10, 20], between: [11, 22], after: [22, 44] },
        { before: [22, 44], between: [23, 46], after: [46, 92] },
      ]) {
        const outputs = program.run('add', x(1, 2));
        assert.deepEqual(
          { before: values(outputs['before']), between: values(outputs['between']), after: values(outputs['after']) },
          expected,
        );
      }
      program.dispose();
    });

    test('exchanges variables without mixing them up', () => {
      const program = compileProgram(counters(mode));
      program.write(
        new Map([
          ['total', Float32Array.of(1, 2)],
          ['other/w', Float32Array.of(3, 4)],
        ]),
      );
      for (let i = 0; i < 3; i++) tf.dispose(program.run('swap', {}));
      assert.deepEqual(
        [...program.read()].map(([name, value]) => [name, ...value]),
        [
          ['total', 3, 4],
          ['other/w', 1, 2],
        ],
      );
      program.dispose();
    });

    test('writes though a step returns nothing', () => {
      const program = compileProgram(counters(mode));
      assert.deepEqual(program.run('touch', x(5, 6)), {});
      assert.deepEqual([...program.read(['other/w']).get('other/w')!], [5, 6]);
      program.dispose();
    });

    test('write() sets what it is given and keeps the rest', () => {
      const program = compileProgram(counters(mode));
      program.write(new Map([['total', Float32Array.of(1, 2)]]));
      program.write(new Map([['other/w', Float32Array.of(3, 4)]]));
      assert.deepEqual(
        [...program.read()].map(([name, value]) => [name, ...value]),
        [
          ['total', 1, 2],
          ['other/w', 3, 4],
        ],
      );
      program.dispose();
    });

    test('neither arrays given to write(), nor feeds, nor what read() returned change with later steps', () => {
      const program = compileProgram(counters(mode));
      const given = Float32Array.of(1, 2);
      const fed = Float32Array.of(3, 4);
      program.write(new Map([['total', given]]));
      const feeds = { x: tf.tensor1d(fed) };
      tf.dispose(program.run('touch', feeds));
      tf.dispose(feeds);
      const before = program.read();
      for (let i = 0; i < 3; i++) {
        tf.dispose(program.run('add', x(1, 1)));
        tf.dispose(program.run('swap', {}));
      }
      assert.deepEqual([...given, ...fed], [1, 2, 3, 4]);
      assert.deepEqual(
        [...before.values()].map((value) => [...value]),
        [
          [1, 2],
          [3, 4],
        ],
      );
      program.dispose();
    });

    test('outputs are tensors of their own: the caller keeps its feeds when it disposes them', () => {
      const program = compileProgram(counters(mode));
      const feeds = x(1, 2);
      const { one, two } = program.run('same', feeds);
      tf.dispose([one, two] as tf.Tensor[]);
      assert.deepEqual(values(feeds.x), [1, 2]);
      program.dispose();
    });

    test('refuses wrong feeds, steps, variables and lengths by name', () => {
      const program = compileProgram(counters(mode));
      assert.throws(() => program.run('add', {}), /step add lacks the feed x: float32 \[2\]/);
      assert.throws(() => program.run('add', x(1, 2, 3)), /step add wants feed x as float32 \[2\], got float32 \[3\]/);
      assert.throws(() => program.run('add', { x: tf.tensor1d([1, 2], 'int32') }), /got int32 \[2\]/);
      assert.throws(() => program.run('add', { ...x(1, 2), y: tf.scalar(1) }), /step add has no feed y/);
      assert.throws(() => program.run('subtract', {}), /no step subtract: there are add, swap/);
      assert.throws(() => program.read(['totl']), /no variable totl/);
      assert.throws(() => program.write(new Map([['totl', Float32Array.of(1, 2)]])), RangeError);
      assert.throws(() => program.write(new Map([['total', Float32Array.of(1)]])), /variable total is \[2\]: it takes 2 values, not 1/);
      program.dispose();
    });

    test('an assignment of another shape is refused', () => {
      const definition: ProgramDefinition = {
        ...counters(mode),
        steps: ({ total }) => ({
          widen: () => {
            total!.assign(tf.zeros([3]));
            return {};
          },
        }),
        example: () => ({}),
      };
      assert.throws(() => compileProgram(definition).run('widen', {}), /variable total is float32 \[2\]: it cannot take float32 \[3\]/);
    });

    test('disposing leaves no tensor and no native handle behind', () => {
      const before = tf.memory().numTensors;
      const program = compileProgram(counters(mode));
      const feeds = x(1, 2);
      tf.dispose(program.run('add', feeds));
      tf.dispose(feeds);
      program.dispose();
      assert.equal(tf.memory().numTensors, before);
    });
  });
}

test('a variable whose name no graph can hold is refused', () => {
  assert.throws(() => compileProgram({ ...counters('graph'), variables: { 'a b': [1] } }), /variable 'a b': a name may hold/);
});
