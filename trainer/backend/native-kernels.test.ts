import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from './backend.ts';
import { compileProgram } from './compile.ts';
import { native } from './native.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

const matrix = (rows: number, columns: number): tf.Tensor2D =>
  tf.tensor2d(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(1 + i * 1.7)),
    [rows, columns],
  );

/** Names of the ops that `work` runs. */
function opsOf(work: () => void): readonly string[] {
  const backend = native()!;
  const addon = backend.binding;
  const ops: string[] = [];
  const executeOp: typeof addon.executeOp = (op, ...rest) => {
    ops.push(op);
    return addon.executeOp(op, ...rest);
  };
  backend.binding = Object.create(addon, { executeOp: { value: executeOp } }) as typeof addon;
  try {
    tf.tidy(work);
  } finally {
    backend.binding = addon;
  }
  return ops;
}

for (const [transposeA, transposeB] of [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const) {
  test(`a product of matrices (transposed: ${transposeA}, ${transposeB}) and its gradients are those of batches of one, by MatMul alone`, () => {
    const a = transposeA ? matrix(4, 3) : matrix(3, 4);
    const b = transposeB ? matrix(5, 4) : matrix(4, 5);
    const plain = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, transposeA, transposeB).square().sum<tf.Scalar>();
    const batched = (x: tf.Tensor, y: tf.Tensor) =>
      tf.matMul(x.expandDims(0), y.expandDims(0), transposeA, transposeB).square().sum<tf.Scalar>();
    const actual = tf.grads(plain)([a, b]);
    for (const [index, expected] of tf.grads(batched)([a, b]).entries()) {
      assert.deepEqual(actual[index]!.shape, expected.shape);
      assert.ok(tf.max(tf.abs(tf.sub(actual[index]!, expected))).dataSync()[0]! < 1e-5);
    }
    const ops = opsOf(() => void tf.grads(plain)([a, b]));
    assert.equal(ops.filter((op) => op === 'MatMul').length, 3);
    assert.ok(!ops.includes('BatchMatMulV2'));
  });
}

test('a traced product is a product of the graph', () => {
  const program = compileProgram({
    mode: 'graph',
    variables: {},
    steps: () => ({ product: ({ a, b }) => ({ c: tf.matMul(a!, b!) }) }),
    example: (_step, variant) => ({ a: tf.mul(matrix(3, 4), 1 + variant), b: matrix(4, 5) }),
  });
  const [a, b] = [matrix(3, 4), matrix(4, 5)];
  const { c } = program.run('product', { a, b });
  assert.ok(tf.max(tf.abs(tf.sub(c!, tf.matMul(a, b)))).dataSync()[0]! < 1e-6);
  program.dispose();
});
