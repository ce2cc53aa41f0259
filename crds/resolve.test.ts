/** Manifests resolve to the run documents that they mean: presets, bounds and overrides in their order. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { PRESETS } from './presets.ts';
import { folderOf, resolveNetwork, resolveSchedule, resolveSynthesisRun, resolveTrainingRun } from './resolve.ts';
import { fingerprintParts, NETWORK_DEFAULTS, parseRunDocument } from './run.ts';
import { changed } from './test-objects.ts';
import { validateManifest } from './validate.ts';
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';
import { mergePodTemplate } from './v1alpha1/pod-template.ts';
import type { SynthesisJob } from './v1alpha1/synthesis-job.ts';

test("the study's configuration resolves to the minibatches and learning rates that it trained with", () => {
  for (const name of ['rsna-normal', 'rsna-abnormal']) {
    const { schedule, totalKimg, network, precision, mirrorAugment } = trainingRun(sample(name));
    assert.deepEqual(
      schedule.levels.map((level) => [
        level.resolution,
        level.minibatch,
        level.generatorLearningRate,
        level.discriminatorLearningRate,
        level.tickKimg,
      ]),
      [
        [4, 128, 0.001, 0.001, 160],
        [8, 128, 0.001, 0.001, 140],
        [16, 128, 0.001, 0.001, 120],
        [32, 64, 0.001, 0.001, 100],
        [64, 32, 0.001, 0.001, 80],
        [128, 16, 0.001, 0.001, 60],
        [256, 8, 0.001, 0.001, 40],
        [512, 4, 0.0015, 0.0015, 20],
      ],
    );
    assert.deepEqual(
      [schedule.trainKimg, schedule.transitionKimg, schedule.initialResolution, schedule.minibatchRepeats],
      [600, 600, 4, 4],
    );
    assert.deepEqual({ totalKimg, precision, mirrorAugment }, { totalKimg: 15000, precision: 'Float32', mirrorAugment: false });
    assert.deepEqual(network, NETWORK_DEFAULTS);
  }
});

/** From the reference's table of presets and its float32 and float16 bounds (rounded down to GPUs, then bounded per GPU). */
const MINIBATCHES = {
  'v1-1gpu': { Float32: [16, 16, 16, 16, 16, 16, 14, 6, 3], BFloat16Mixed: [16, 16, 16, 16, 16, 16, 14, 6, 3] },
  'v2-1gpu': { Float32: [128, 128, 128, 64, 32, 16, 8, 4, 4], BFloat16Mixed: [128, 128, 128, 64, 32, 16, 8, 4, 4] },
  'v2-2gpus': { Float32: [256, 256, 128, 64, 32, 16, 8, 8, 8], BFloat16Mixed: [256, 256, 128, 64, 32, 16, 8, 8, 8] },
  'v2-4gpus': { Float32: [512, 256, 128, 64, 32, 16, 16, 16, 16], BFloat16Mixed: [512, 256, 128, 64, 32, 16, 16, 16, 16] },
  'v2-8gpus': { Float32: [512, 256, 128, 64, 32, 32, 32, 32, 32], BFloat16Mixed: [512, 256, 128, 64, 32, 32, 32, 32, 32] },
} as const;

for (const [preset, byPrecision] of Object.entries(MINIBATCHES)) {
  for (const [precision, minibatches] of Object.entries(byPrecision)) {
    test(`preset ${preset} with ${precision} has the reference's minibatches up to 1024x1024`, () => {
      const { levels } = resolveSchedule({ resolution: 1024, preset: preset as keyof typeof PRESETS, precision: precision as 'Float32' });
      assert.deepEqual(
        levels.map(({ minibatch }) => minibatch),
        minibatches,
      );
    });
  }
}

test('bounds by precision hold without a preset, and a list of the spec replaces them whole', () => {
  assert.deepEqual(minibatchesFrom256({ precision: 'Float32' }), [16, 8, 4]);
  assert.deepEqual(minibatchesFrom256({ precision: 'BFloat16Mixed' }), [16, 16, 8]);
  assert.deepEqual(
    minibatchesFrom256({ precision: 'Float32', schedule: { maxMinibatchPerGpu: [{ resolution: 256, minibatch: 2 }] } }),
    [2, 16, 16],
  );
  assert.deepEqual(minibatchesFrom256({ precision: 'Float32', schedule: { maxMinibatchPerGpu: [] } }), [16, 16, 16]);
});

test('minibatches are rounded down to a multiple of the GPUs of the preset, then bounded by as many GPUs', () => {
  const { levels } = resolveSchedule({
    resolution: 16,
    preset: 'v2-4gpus',
    precision: 'Float32',
    schedule: {
      minibatches: [
        { resolution: 4, minibatch: 35 },
        { resolution: 8, minibatch: 100 },
      ],
      maxMinibatchPerGpu: [{ resolution: 8, minibatch: 10 }],
    },
  });
  assert.deepEqual(
    levels.map(({ minibatch }) => minibatch),
    [32, 40, 16],
  );
});

test('the learning rates of each preset are those of the reference', () => {
  assert.deepEqual(ratesFrom128('v1-1gpu'), [0.001, 0.001, 0.001, 0.001]);
  assert.deepEqual(ratesFrom128('v2-1gpu'), [0.001, 0.001, 0.001, 0.0015]);
  assert.deepEqual(ratesFrom128('v2-2gpus'), [0.001, 0.001, 0.0015, 0.002]);
  assert.deepEqual(ratesFrom128('v2-4gpus'), [0.001, 0.0015, 0.002, 0.003]);
  assert.deepEqual(ratesFrom128('v2-8gpus'), [0.0015, 0.002, 0.003, 0.003]);
});

test('spec.phases has the last word, neither rounded nor bounded, and each network has its own learning rate', () => {
  const { levels } = resolveSchedule({
    resolution: 512,
    preset: 'v2-8gpus',
    precision: 'Float32',
    schedule: { learningRateBase: '0.002', learningRates: [{ resolution: 256, generatorLearningRate: '0.003' }] },
    phases: [{ resolution: 512, minibatch: 81, discriminatorLearningRate: '1e-4' }],
  });
  const [at256, at512] = levels.slice(-2);
  assert.deepEqual([at256?.generatorLearningRate, at256?.discriminatorLearningRate], [0.003, 0.002]);
  assert.deepEqual([at512?.minibatch, at512?.generatorLearningRate, at512?.discriminatorLearningRate], [81, 0.002, 0.0001]);
});

test('a microbatch reaches the run document and leaves the fingerprint alone; without one the document is as it was', () => {
  const [whole, inParts] = [{}, { microbatch: 16 }].map((more) =>
    trainingRun(validated(changed('training', { 'spec/phases': [{ resolution: 8, minibatch: 64, ...more }] }))),
  );
  assert.ok(whole && inParts);
  assert.deepEqual(parseRunDocument(JSON.stringify(inParts)), inParts);
  assert.deepEqual(
    inParts.schedule.levels.map((level) => level.microbatch),
    [undefined, 16, undefined, undefined, undefined, undefined, undefined, undefined],
  );
  assert.ok(!JSON.stringify(whole).includes('microbatch'));
  assert.deepEqual(fingerprintParts(inParts, 'digest', null), fingerprintParts(whole, 'digest', null));
  assert.deepEqual(fingerprintParts(whole, 'digest', null)['schedule'], whole.schedule);
});

test('metrics at ticks have defaults, reach the run document and leave the fingerprint alone', () => {
  const [silent, measured] = [{}, { 'spec/metrics': { names: ['swd'] } }].map((change) =>
    trainingRun(validated(changed('training', change))),
  );
  assert.ok(silent && measured);
  assert.deepEqual(measured.metrics, { names: ['swd'], images: 2048, everyTicks: 10 });
  assert.deepEqual(parseRunDocument(JSON.stringify(measured)), measured);
  assert.ok(!('metrics' in silent));
  assert.deepEqual(fingerprintParts(measured, 'digest', null), fingerprintParts(silent, 'digest', null));
});

test('tick lengths follow ticks, then tickKimgBase, then the reference', () => {
  assert.deepEqual(ticks({}), [160, 140, 120]);
  assert.deepEqual(ticks({ tickKimgBase: 3 }), [3, 3, 3]);
  assert.deepEqual(ticks({ ticks: [{ resolution: 8, kimg: 7 }] }), [160, 7, 160]);
  assert.deepEqual(ticks({ ticks: [{ resolution: 8, kimg: 7 }], tickKimgBase: 3 }), [3, 7, 3]);
});

test('the group size of preset v1 gives way to that of the spec, and decimals become numbers', () => {
  assert.equal(resolveNetwork({ preset: 'v1-1gpu' }).mbstdGroupSize, 16);
  assert.equal(resolveNetwork({ preset: 'v1-1gpu', network: { mbstdGroupSize: 0 } }).mbstdGroupSize, 0);
  const { fmapDecay, pixelnormEpsilon, channels } = resolveNetwork({
    network: { fmapDecay: '0.5', pixelnormEpsilon: '1e-4', channels: 3 },
  });
  assert.deepEqual({ fmapDecay, pixelnormEpsilon, channels }, { fmapDecay: 0.5, pixelnormEpsilon: 1e-4, channels: 3 });
});

test('a run document that was resolved is one that a trainer accepts, with nothing secret in it', () => {
  const run = trainingRun(sample('rsna-normal'));
  assert.deepEqual(parseRunDocument(JSON.stringify(run)), run);
  assert.deepEqual(run.store, { endpoint: 'https://minio.minio.svc:9000' });
  assert.deepEqual(run.run, { uri: 's3://pggan/runs/research/rsna-normal' });
  const shard = resolveSynthesisRun(sample('synthesis-6300') as SynthesisJob, {
    cluster: 'c',
    port: 8080,
    shard: 3,
    checkpointUri: run.run.uri,
  });
  assert.deepEqual(parseRunDocument(JSON.stringify(shard)), shard);
  assert.deepEqual([shard.count, shard.shards, shard.shard, shard.seed], [6300, 4, 3, 1000]);
});

test('a local run has its own dataset and run folder', () => {
  const run = resolveTrainingRun(sample('quickstart') as PGGANTraining, {
    task: { kind: 'train', resolution: 8 },
    cluster: 'local',
    port: 0,
    datasetUri: 'file:///data',
    runUri: 'file:///runs/quickstart',
  });
  assert.deepEqual(
    [run.dataset.uri, run.run.uri, run.task, run.port],
    ['file:///data', 'file:///runs/quickstart', { kind: 'train', resolution: 8 }, 0],
  );
  assert.equal(folderOf(sample('quickstart')), 's3://pggan/runs/default/quickstart');
});

test('a reference that nobody has looked up is refused rather than guessed', () => {
  const fork = validated(changed('training', { 'spec/initFrom': { trainingRef: { name: 'other' }, startKimg: 600 } })) as PGGANTraining;
  const context = { task: { kind: 'preflight' }, cluster: 'c', port: 8080 } as const;
  assert.throws(() => resolveTrainingRun(fork, context), /training other must be looked up/);
  assert.deepEqual(resolveTrainingRun(fork, { ...context, initFromUri: 's3://b/other' }).initFrom, { uri: 's3://b/other', startKimg: 600 });
  assert.throws(
    () => resolveSynthesisRun(sample('synthesis-6300') as SynthesisJob, { cluster: 'c', port: 8080, shard: 0 }),
    /training rsna-normal must be looked up/,
  );
});

test("a phase's pod template replaces fields whole and merges env by name", () => {
  const base = {
    image: 'a',
    resources: { limits: { memory: '16Gi', 'nvidia.com/gpu': '1' } },
    env: [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ],
  };
  const override = {
    resources: { limits: { memory: '8Gi' } },
    env: [
      { name: 'B', value: '3' },
      { name: 'C', value: '4' },
    ],
  };
  assert.deepEqual(mergePodTemplate(base, override), {
    image: 'a',
    resources: { limits: { memory: '8Gi' } },
    env: [
      { name: 'A', value: '1' },
      { name: 'B', value: '3' },
      { name: 'C', value: '4' },
    ],
  });
  assert.deepEqual(mergePodTemplate(base, undefined), base);
  assert.deepEqual(mergePodTemplate(undefined, override), override);
});

test('the samples for a queue, MIG slices and spot nodes are the same run as rsna-normal, in another place', () => {
  for (const name of ['kueue', 'mig', 'spot']) assert.deepEqual(decidedBy(name), decidedBy('rsna-normal'), name);
  assert.deepEqual(decidedBy('rsna-abnormal'), decidedBy('rsna-normal'), 'of another dataset');
});

/** What of a sample decides its weights, but for the dataset. */
function decidedBy(name: string): object {
  const run = trainingRun(sample(name));
  return { ...fingerprintParts(run, 'digest', null), totalKimg: run.totalKimg, threads: run.threads };
}

function sample(name: string): PGGANTraining | SynthesisJob {
  return validated(parse(readFileSync(join(import.meta.dirname, `../manifests/samples/${name}.yaml`), 'utf8')));
}

function validated(manifest: unknown): PGGANTraining | SynthesisJob {
  const result = validateManifest(manifest);
  assert.ok(result.ok, JSON.stringify(result));
  return result.object;
}

const trainingRun = (training: PGGANTraining | SynthesisJob) =>
  resolveTrainingRun(training as PGGANTraining, { task: { kind: 'preflight' }, cluster: 'c', port: 8080 });

const minibatchesFrom256 = (spec: Omit<Parameters<typeof resolveSchedule>[0], 'resolution'>): number[] =>
  resolveSchedule({ resolution: 1024, ...spec })
    .levels.slice(-3)
    .map(({ minibatch }) => minibatch);

const ratesFrom128 = (preset: keyof typeof PRESETS): number[] =>
  resolveSchedule({ resolution: 1024, preset, precision: 'Float32' })
    .levels.slice(5)
    .map((level) => level.generatorLearningRate);

const ticks = (schedule: NonNullable<PGGANTraining['spec']['schedule']>): number[] =>
  resolveSchedule({ resolution: 16, precision: 'Float32', schedule }).levels.map(({ tickKimg }) => tickKimg);

test("a preflight is told the memory of each phase's pod, but for pods with devices, whose features lie elsewhere", () => {
  const context = { task: { kind: 'preflight' }, cluster: 'c', port: 8080 } as const;
  const training = validated(
    changed('training', {
      'spec/resolution': 16,
      'spec/template': { resources: { limits: { memory: '16Gi' } } },
      'spec/phases': [
        { resolution: 4, template: { resources: { limits: { memory: '1500M' } } } },
        { resolution: 8, template: { resources: { limits: { memory: '8Gi', 'nvidia.com/gpu': '1' } } } },
      ],
    }),
  ) as PGGANTraining;
  assert.deepEqual(resolveTrainingRun(training, context).task, {
    kind: 'preflight',
    phaseMemory: [
      { resolution: 4, bytes: 1_500_000_000 },
      { resolution: 16, bytes: 17_179_869_184 },
    ],
  });
  const shared = { ...context, task: { kind: 'preflight', phaseMemory: 'shared' } } as const;
  assert.deepEqual(resolveTrainingRun(training, shared).task, shared.task, 'where phases run in the place of the preflight');
});
