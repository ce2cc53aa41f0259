import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { createStore } from '../kube/store.ts';
import type { StoredSynthesis } from '../synthesis/stored.ts';
import type { StoredTraining } from '../training/stored.ts';
import { metricsPage } from './page.ts';

const time = '2026-01-01T00:00:00Z';
const losses = (generator: number) => ({
  generator,
  discriminator: -generator,
  realScores: 1,
  fakeScores: -1,
  mixedScores: 0,
  gradientNorm: 1.5,
});

function training(name: string, status: object): StoredTraining {
  const spec = { resolution: 16, precision: 'Float32', checkpoints: { everySeconds: 600 } } as unknown as StoredTraining['spec'];
  return { metadata: { namespace: 'research', name, uid: name, resourceVersion: '1' }, spec, status };
}

const QUEUED = { queuedAt: time, admittedAt: '2026-01-01T00:30:00Z', startedAt: '2026-01-01T00:30:45Z', seconds: 1845 };

const HALFWAY = {
  conditions: [
    { type: 'Ready', status: 'True' },
    { type: 'Succeeded', status: 'Unknown' },
    { type: 'Progressing', status: 'False', reason: 'Queued' },
  ],
  totalKimg: 8,
  resolution: 8,
  failures: 2,
  resumes: 3,
  disruptions: 1,
  outOfMemory: 1,
  phases: [
    { resolution: 4, attempts: 3, startTime: time, completionTime: time, losses: losses(0.25) },
    {
      resolution: 8,
      attempts: 1,
      startTime: time,
      losses: losses(0.5),
      wait: { job: 'j', ...QUEUED },
    },
  ],
  progress: { resolution: 8, images: 4096, kimg: 4.096, lod: 1.25, secondsPerKimg: 20, losses: losses(0.75), time },
  checkpoint: { uri: 'u', images: 4000, digest: 'd', time, bytes: 650_000_000 },
  checkpointSeconds: 12.5,
};

function setting() {
  const trainings = createStore<StoredTraining>();
  const syntheses = createStore<StoredSynthesis>();
  let leads = true;
  const { pages } = metricsPage({
    registry: new Registry(),
    cluster: { trainings: trainings.store, syntheses: syntheses.store },
    leads: () => leads,
  });
  const page = { pages, metrics: async () => Buffer.concat(await pages()).toString() };
  return { trainings, syntheses, page, standBy: () => void (leads = false) };
}

test('a training tells where it stands, and the losses of each of its resolutions', async () => {
  const { trainings, page } = setting();
  trainings.writer.apply(training('a', HALFWAY));
  const text = await page.metrics();
  const of = 'namespace="research",name="a"';
  for (const line of [
    `pggan_training_images{${of}} 4096`,
    `pggan_training_progress_ratio{${of}} 0.512`,
    `pggan_training_loss{${of},resolution="4",network="generator"} 0.25`,
    `pggan_training_loss{${of},resolution="8",network="generator"} 0.75`,
    `pggan_training_loss{${of},resolution="8",network="discriminator"} -0.75`,
    `pggan_training_score{${of},resolution="8",images="fake"} -1`,
    `pggan_training_gradient_norm{${of},resolution="4"} 1.5`,
    `pggan_training_lod{${of}} 1.25`,
    `pggan_training_condition{${of},condition="Ready"} 1`,
    `pggan_training_condition{${of},condition="Succeeded"} -1`,
    `pggan_training_condition{${of},condition="Progressing"} 0`,
    `pggan_training_reason{${of},reason="Queued"} 1`,
    `pggan_training_checkpoint_interval_seconds{${of}} 600`,
    `pggan_training_phase_pod_start_timestamp_seconds{${of},resolution="8"} ${Date.parse('2026-01-01T00:30:45Z') / 1000}`,
    `pggan_training_failures_total{${of}} 2`,
    `pggan_training_resumes_total{${of}} 3`,
    `pggan_training_disruptions_total{${of}} 1`,
    `pggan_training_out_of_memory_total{${of}} 1`,
    `pggan_training_checkpoint_timestamp_seconds{${of}} 1767225600`,
    `pggan_training_phase_wait_seconds{${of},resolution="8",stage="queue"} 1800`,
    `pggan_training_phase_wait_seconds{${of},resolution="8",stage="pod"} 45`,
    `pggan_training_checkpoint_bytes{${of}} 650000000`,
    `pggan_training_checkpoint_save_seconds{${of}} 12.5`,
    `pggan_training_phase_completion_timestamp_seconds{${of},resolution="4"} 1767225600`,
  ])
    assert.ok(text.includes(`${line}\n`), line);
  assert.ok(!text.includes('phase_completion_timestamp_seconds{namespace="research",name="a",resolution="8"}'));
});

test('a run that was found complete tells its images, and what does not train has no pace', async () => {
  const { trainings, page } = setting();
  const phases = [{ resolution: 4, state: 'Complete', endImages: 8000 }];
  trainings.writer.apply(training('found', { totalKimg: 8, phases, conditions: [{ type: 'Succeeded', status: 'True' }] }));
  trainings.writer.apply(training('paused', HALFWAY));
  trainings.writer.apply(training('runs', { ...HALFWAY, conditions: [{ type: 'Progressing', status: 'True' }] }));
  const text = await page.metrics();
  assert.match(text, /^pggan_training_images\{namespace="research",name="found"\} 8000$/m);
  assert.match(text, /^pggan_training_progress_ratio\{namespace="research",name="found"\} 1$/m);
  assert.match(text, /^pggan_training_seconds_per_kimg\{namespace="research",name="runs"\} 20$/m);
  assert.doesNotMatch(text, /^pggan_training_seconds_per_kimg\{namespace="research",name="paused"/m);
});

test('the samples of a metric stand together below its help and type, whatever their number', async () => {
  const { trainings, page } = setting();
  for (let i = 0; i < 1200; i += 1) trainings.writer.apply(training(`t${i}`, HALFWAY));
  const lines = (await page.metrics()).trim().split('\n');
  const seen = new Set<string>();
  let current = '';
  for (const line of lines) {
    const [, helped] = /^# HELP (\S+) ./.exec(line) ?? [];
    if (helped !== undefined) {
      assert.ok(!seen.has(helped), helped);
      seen.add(helped);
      current = helped;
    } else if (!line.startsWith('# TYPE')) assert.ok(line.startsWith(`${current}{`), line);
  }
  assert.equal(lines.filter((line) => line.startsWith('pggan_training_images{')).length, 1200);
});

test('a training in its eighth phase has as many series as the page of metrics says', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/reference/metrics.md'), 'utf8');
  const [, straight, queued] =
    /A training in its eighth phase has (\d+) series, and (\d+) where each phase waited for a queue/.exec(page) ?? [];
  assert.deepEqual([await seriesOf({ startedAt: '2026-01-01T00:00:45Z' }), await seriesOf(QUEUED)], [Number(straight), Number(queued)]);
});

test('series go with their object, and a process that stands by tells of none', async () => {
  const { trainings, page, standBy } = setting();
  trainings.writer.apply(training('a', HALFWAY));
  trainings.writer.apply(training('b', {}));
  assert.match(await page.metrics(), /name="b"/);
  trainings.writer.delete(training('b', {}));
  const text = await page.metrics();
  assert.ok(text.includes('name="a"') && !text.includes('name="b"'));
  standBy();
  assert.equal((await page.metrics()).trim(), '');
});

test('a SynthesisJob tells how far it is', async () => {
  const { syntheses, page } = setting();
  const spec = { count: 6300 } as unknown as StoredSynthesis['spec'];
  const conditions = [{ type: 'Ready', status: 'True' }] as unknown as NonNullable<NonNullable<StoredSynthesis['status']>['conditions']>;
  syntheses.writer.apply({
    metadata: { namespace: 'research', name: 's', uid: 's', resourceVersion: '1' },
    spec,
    status: { imagesDone: 17, conditions },
  });
  const text = await page.metrics();
  assert.match(text, /^pggan_synthesisjob_images\{namespace="research",name="s"\} 17$/m);
  assert.match(text, /^pggan_synthesisjob_wanted_images\{namespace="research",name="s"\} 6300$/m);
});

test('those who ask while a page is being written get the same one', async () => {
  const { trainings, page } = setting();
  trainings.writer.apply(training('a', HALFWAY));
  const [one, other] = [page.pages(), page.pages()];
  assert.equal(one, other);
  assert.equal(await one, await other);
  assert.notEqual(page.pages(), one);
});

/** Of one that trains at 512x512, after phases that all waited as is said. */
async function seriesOf(wait: object): Promise<number> {
  const { trainings, page } = setting();
  const phases = [4, 8, 16, 32, 64, 128, 256, 512].map((resolution) => ({
    ...HALFWAY.phases[0],
    resolution,
    endImages: 1000 * resolution,
    ...(resolution === 512 && { completionTime: undefined }),
    wait: { job: 'j', admittedAt: time, seconds: 45, ...wait },
  }));
  const types = ['Accepted', 'Ready', 'Progressing', 'Suspended', 'Succeeded', 'Reconciling', 'ProgressReachable'];
  const conditions = types.map((type) => ({ type, status: 'True', reason: 'Training' }));
  const progress = { ...HALFWAY.progress, resolution: 512, imagesPerSecond: 50 };
  trainings.writer.apply(training('a', { ...HALFWAY, conditions, resolution: 512, phases, progress, estimatedCompletionTime: time }));
  return (await page.metrics()).split('\n').filter((line) => line.startsWith('pggan_')).length;
}
