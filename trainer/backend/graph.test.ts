import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from './backend.ts';
import { compileProgram } from './compile.ts';
import { memoryUse } from './memory.ts';
import { attribute, DTYPE, native } from './native.ts';
import type { Outputs, ProgramDefinition } from './program.ts';
import { digest, noise, penaltyFeeds, penaltyProgram, runPenalty } from './test-programs.ts';
import { applyAdam } from './updates.ts';

before(async () => {
  await prepareBackend({ threads: 2, want: 'native' });
});

const bits = (tensor: tf.Tensor): string => Buffer.from(tensor.dataSync().slice().buffer).toString('hex');

/** Step `step`: Adam on the mean square of a matMul, with a read before and one after the update. */
const adamProgram = (mode: ProgramDefinition['mode']): ProgramDefinition => ({
  mode,
  variables: { w: [5, 3], m: [5, 3], v: [5, 3] },
  steps: ({ w, m, v }) => ({
    step: ({ x, beta2Power }) => {
      const before = w!.read() as tf.Tensor2D;
      const { value, grads } = tf
        .engine()
        .gradients(() => tf.mean(tf.square(tf.matMul(x as tf.Tensor2D, before))), [before], undefined, true);
      applyAdam(
        { beta1Power: 0.25, beta2Power: beta2Power!, learningRate: 0.01, beta1: 0.5, beta2: 0.99, epsilon: 1e-8 },
        { variable: w!, m: m!, v: v!, gradient: grads[0]! },
      );
      return { loss: value, before, after: w!.read() };
    },
  }),
  example: (_, variant) => adamFeeds(variant),
});

const adamFeeds = (seed: number) => ({ x: tf.tensor2d(noise(seed, 20), [4, 5]), beta2Power: tf.scalar(0.99 ** (seed + 1)) });

test('three Adam steps of a matMul give the same bits as eager mode, outputs and variables', () => {
  const [eager, graph] = [compileProgram(adamProgram('eager')), compileProgram(adamProgram('graph'))];
  for (const program of [eager, graph]) program.write(new Map([['w', noise(9, 15)]]));
  for (let step = 0; step < 3; step++) {
    const [a, b] = [eager.run('step', adamFeeds(step)), graph.run('step', adamFeeds(step))];
    for (const name of ['loss', 'before', 'after']) assert.equal(bits(b[name]!), bits(a[name]!), `${name} of step ${step}`);
    assert.notEqual(bits(b['before']!), bits(b['after']!));
  }
  assert.deepEqual(graph.read(), eager.read());
  eager.dispose();
  graph.dispose();
});

test('a step with a gradient penalty agrees with eager mode to 1e-6', () => {
  const [eager, graph] = [runPenalty('eager', 4), runPenalty('graph', 4)];
  for (const [step, loss] of eager.losses.entries())
    assert.ok(Math.abs(loss - graph.losses[step]!) <= 1e-6 * Math.abs(loss), `loss ${step}`);
  const traced = graph.program.read();
  for (const [name, values] of eager.program.read()) {
    const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    values.forEach((value, index) =>
      assert.ok(Math.abs(value - traced.get(name)![index]!) <= 1e-6 * Math.max(1, largest), `${name}[${index}]`),
    );
  }
  eager.program.dispose();
  graph.program.dispose();
});

/** Kernels of all kinds: lists, shapes, several outputs, integers, booleans. */
function manyKernels({ x }: { readonly x: tf.Tensor2D }): Outputs {
  const integers = tf.cast(tf.mul(x, 3), 'int32');
  const [left] = tf.split(x, [2, 3], 1) as [tf.Tensor2D, tf.Tensor2D];
  const image = tf.reshape(tf.concat([x, x, x, x], 0), [1, 8, 5, 2]) as tf.Tensor4D;
  return {
    where: tf.where(tf.greater(x, 0), x, tf.square(x)),
    gather: tf.gather(x, tf.tensor1d([0, 2], 'int32')),
    stack: tf.stack([left, left]),
    oneHot: tf.oneHot(tf.abs(tf.reshape(tf.slice(integers, [0, 0], [4, 1]), [4])), 5),
    topk: tf.topk(x, 2).values,
    indices: tf.topk(x, 2).indices,
    transpose: tf.transpose(x),
    tile: tf.tile(x, [2, 1]),
    logSumExp: tf.logSumExp(x),
    pad: tf.pad(x, [
      [1, 1],
      [0, 2],
    ]),
    resize: tf.image.resizeBilinear(image, [4, 10]),
    maxPool: tf.maxPool(image, 2, 2, 'same'),
    avgPool: tf.avgPool(image, 2, 2, 'valid'),
    cumsum: tf.cumsum(x),
    all: tf.all(tf.less(x, 100)),
    argMax: tf.argMax(x, 1),
    depthwise: tf.depthwiseConv2d(image, tf.ones([3, 3, 2, 1]), 1, 'same'),
    prelu: tf.prelu(x, tf.tensor2d([[0.1]])),
    strided: tf.stridedSlice(x, [0, 0], [4, 5], [2, 2]),
    unstack: tf.unstack(x)[1]!,
    einsum: tf.einsum('ij,kj->ik', x, x),
    batchNorm: tf.batchNorm(image, tf.zeros([2]), tf.ones([2])),
    reverse: tf.reverse(x, 0),
    mod: tf.mod(integers, 3),
    onesLike: tf.onesLike(x),
    leakyRelu: tf.leakyRelu(x),
    norm: tf.norm(x),
    not: tf.logicalNot(tf.greater(x, 0)),
    clip: tf.clipByValue(x, -1, 1),
    linspace: tf.linspace(0, 1, 5),
    range: tf.range(0, 5),
    erf: tf.erf(x),
    softplus: tf.softplus(x),
    mirrorPad: tf.mirrorPad(
      x,
      [
        [1, 1],
        [1, 1],
      ],
      'reflect',
    ),
    scatter: tf.scatterND(tf.tensor2d([[0], [2]], [2, 1], 'int32'), tf.ones([2]), [4]),
    conv: tf.conv2d(image, tf.ones([3, 3, 2, 2]), 1, 'same'),
    addN: tf.addN([x, x, x]),
    isFinite: tf.isFinite(x),
    finite: tf.all(tf.isFinite(x)),
    rsqrt: tf.rsqrt(tf.abs(x)),
    broadcast: tf.broadcastTo(tf.reshape(tf.sum(x), [1, 1]), [2, 2]),
  };
}

const kernelsProgram = (mode: ProgramDefinition['mode']): ProgramDefinition => ({
  mode,
  variables: {},
  steps: () => ({ step: (feeds) => manyKernels(feeds as { readonly x: tf.Tensor2D }) }),
  example: (_, variant) => ({ x: tf.tensor2d(noise(variant, 20), [4, 5]) }),
});

test('kernels of all kinds give the same bits as eager mode', () => {
  const feeds = { x: tf.tensor2d(noise(5, 20), [4, 5]) };
  const [eager, graph] = (['eager', 'graph'] as const).map((mode) => compileProgram(kernelsProgram(mode)).run('step', feeds)) as [
    Outputs,
    Outputs,
  ];
  const different = Object.keys(eager).filter(
    (name) => bits(eager[name]!) !== bits(graph[name]!) || eager[name]!.dtype !== graph[name]!.dtype,
  );
  assert.deepEqual(different, []);
});

test('bfloat16 behind a float32 handle is traced as bfloat16, also where it is a constant made before', () => {
  const backend = native()!;
  const cast = (x: tf.Tensor, from: number, to: number): tf.Tensor => {
    const attributes = [attribute.type('SrcT', from), attribute.type('DstT', to), attribute.bool('Truncate', false)];
    const output = backend.binding.executeOp('Cast', attributes, backend.getInputTensorIds([x]), 1)[0]!;
    const tensor = backend.createOutputTensor({ ...output, dtype: DTYPE.float32 });
    backend.tensorMap.get(tensor.dataId).dtype = output.dtype;
    return tensor;
  };
  const constant = tf.keep(cast(tf.tensor2d(noise(3, 12), [3, 4]), DTYPE.float32, DTYPE.bfloat16));
  const product = (x: tf.Tensor): tf.Tensor => {
    const attributes = [attribute.type('T', DTYPE.bfloat16), attribute.bool('transpose_a', false), attribute.bool('transpose_b', false)];
    const output = backend.binding.executeOp(
      'MatMul',
      attributes,
      backend.getInputTensorIds([cast(x, DTYPE.float32, DTYPE.bfloat16), constant]),
      1,
    )[0]!;
    const wide = backend.binding.executeOp(
      'Cast',
      [attribute.type('SrcT', DTYPE.bfloat16), attribute.type('DstT', DTYPE.float32)],
      [output.id],
      1,
    )[0]!;
    backend.binding.deleteTensor(output.id);
    return backend.createOutputTensor(wide);
  };
  const program = compileProgram({
    mode: 'graph',
    variables: {},
    steps: () => ({ step: ({ x }) => ({ y: product(x!) }) }),
    example: (_, variant) => ({ x: tf.tensor2d(noise(variant, 6), [2, 3]) }),
  });
  const x = tf.tensor2d(noise(7, 6), [2, 3]);
  const traced = program.run('step', { x })['y']!;
  assert.equal(bits(traced), bits(tf.tidy(() => product(x))));
  assert.notEqual(bits(traced), bits(tf.matMul(x, tf.tensor2d(noise(3, 12), [3, 4]))), 'float32 gives other bits');
  program.dispose();
});

test('an error of TensorFlow names step and op, and the line when stacks are kept', () => {
  const definition: ProgramDefinition = {
    mode: 'graph',
    variables: {},
    steps: () => ({
      step: ({ x }) => ({
        y: native()!.executeSingleOutput('CheckNumerics', [attribute.type('T', 1), attribute.string('message', 'x')], [x!]),
      }),
    }),
    example: (_, variant) => ({ x: tf.scalar(variant) }),
  };
  const feeds = { x: tf.scalar(Number.NaN) };
  assert.throws(
    () => compileProgram(definition, { stacks: true }).run('step', feeds),
    /step step failed in step\/CheckNumerics_\d+ at .*graph\.test\.ts:\d+:\d+: x : Tensor had NaN values/,
  );
  assert.throws(
    () => compileProgram(definition, { stacks: false }).run('step', feeds),
    /step step failed in step\/CheckNumerics_\d+ \(PGGAN_STACKS=1 names the line\)/,
  );
});

test('after it is disposed of, a program says so', () => {
  const program = compileProgram(penaltyProgram('graph'));
  program.dispose();
  assert.throws(() => program.run('update', penaltyFeeds(0)), /the program was disposed of/);
});

test('300 steps hold tensors, native handles and resident memory constant', () => {
  const { program } = runPenalty('graph', 0);
  const steps = (count: number): void => {
    for (let step = 0; step < count; step++) {
      const feeds = penaltyFeeds(step);
      const outputs = program.run('update', feeds);
      outputs['loss']!.dataSync();
      tf.dispose([feeds, outputs]);
      if (step % 50 === 0) program.read(['from']);
    }
  };
  steps(100);
  const before = memoryUse();
  steps(300);
  const after = memoryUse();
  assert.equal(after.tensors, before.tensors);
  assert.equal(after.nativeHandles, before.nativeHandles);
  assert.ok(
    after.residentBytes < before.residentBytes * 1.05,
    `resident bytes grew from ${before.residentBytes} to ${after.residentBytes}`,
  );
  program.dispose();
});

for (const mode of ['eager', 'graph'] as const) {
  test(`two processes with two threads compute the same bits in ${mode} mode`, async () => {
    const script = `
      const { prepareBackend } = await import('./trainer/backend/backend.ts');
      const { digest, runPenalty } = await import('./trainer/backend/test-programs.ts');
      await prepareBackend({ threads: 2, want: 'native' });
      process.stdout.write(digest(runPenalty('${mode}', 5).program));`;
    const child = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: new URL('../..', import.meta.url),
    });
    const { program } = runPenalty(mode, 5);
    assert.match(child.stdout, /^[0-9a-f]{64}$/);
    assert.equal(child.stdout, digest(program));
    program.dispose();
  });
}
