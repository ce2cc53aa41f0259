import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { PgganError } from '../../crds/errors.ts';
import { prepareBackend } from './backend.ts';
import { compileProgram } from './compile.ts';
import { noise, penaltyProgram, runPenalty } from './test-programs.ts';

before(async () => {
  const backend = await prepareBackend({ threads: 2, want: 'wasm' });
  assert.equal(backend.kind, 'wasm');
});

/** What the native backend prints for a script, run in a process of its own. */
async function onNative<T>(script: string): Promise<T> {
  const prelude = `
    const tf = await import('@tensorflow/tfjs');
    const { prepareBackend } = await import('./trainer/backend/backend.ts');
    const { noise, runPenalty } = await import('./trainer/backend/test-programs.ts');
    await prepareBackend({ threads: 2, want: 'native' });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', prelude + script], {
    cwd: new URL('../..', import.meta.url),
  });
  return JSON.parse(stdout) as T;
}

const CASES = [
  { x: [2, 5, 6, 3], filter: [3, 3, 3, 4], stride: 1, pad: 'same' },
  { x: [2, 8, 8, 3], filter: [4, 4, 3, 2], stride: 2, pad: 'same' },
  { x: [1, 7, 6, 2], filter: [3, 2, 2, 5], stride: 2, pad: 'valid' },
  { x: [3, 4, 4, 1], filter: [1, 1, 1, 6], stride: 1, pad: 'same' },
] as const;

test('the gradient of a filter equals that of TensorFlow, for strides, odd sizes and both paddings', async () => {
  const gradient = `({ x, filter, stride, pad }) => {
    const images = tf.tensor(noise(1, tf.util.sizeFromShape(x)), x);
    return Array.from(tf.grad((w) => tf.sum(tf.square(tf.conv2d(images, w, stride, pad))))(tf.tensor(noise(2, tf.util.sizeFromShape(filter)), filter)).dataSync());
  }`;
  const expected = await onNative<number[][]>(`process.stdout.write(JSON.stringify(${JSON.stringify(CASES)}.map(${gradient})));`);
  for (const [index, { x, filter, stride, pad }] of CASES.entries()) {
    const images = tf.tensor4d(noise(1, tf.util.sizeFromShape([...x])), [...x]);
    const weights = tf.tensor4d(noise(2, tf.util.sizeFromShape([...filter])), [...filter]);
    const got = tf.grad((w) => tf.sum(tf.square(tf.conv2d(images, w as tf.Tensor4D, stride, pad))))(weights);
    assert.deepEqual(got.shape, [...filter]);
    got
      .dataSync()
      .forEach((value, i) =>
        assert.ok(Math.abs(value - expected[index]![i]!) < 1e-4, `case ${index} [${i}]: ${value} for ${expected[index]![i]}`),
      );
  }
});

test('four steps with a gradient penalty equal those of the native backend to 1e-4', async () => {
  const expected = await onNative<{ losses: number[]; values: [string, number[]][] }>(`
    const { losses, program } = runPenalty('eager', 4);
    process.stdout.write(JSON.stringify({ losses, values: [...program.read()].map(([name, values]) => [name, Array.from(values)]) }));`);
  const { losses, program } = runPenalty('eager', 4);
  losses.forEach((loss, step) =>
    assert.ok(Math.abs(loss - expected.losses[step]!) < 1e-4, `loss ${step}: ${loss} for ${expected.losses[step]}`),
  );
  const got = program.read();
  for (const [name, values] of expected.values)
    values.forEach((value, i) => assert.ok(Math.abs(value - got.get(name)![i]!) < 1e-4, `${name}[${i}]`));
});

test('graph mode is refused with the way out', () => {
  assert.throws(
    () => compileProgram(penaltyProgram('graph')),
    (error: unknown) => error instanceof PgganError && error.code === 'BackendUnavailable' && /use mode 'eager'/.test(error.message),
  );
});
