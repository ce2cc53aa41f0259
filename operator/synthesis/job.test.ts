/** From a decision to the Indexed Job of a SynthesisJob. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRunDocument } from '../../crds/run.ts';
import type { Change } from '../../crds/test-objects.ts';
import { CONFIG, synthesisObject } from '../jobs/test-objects.ts';
import { type SynthesisFacts, synthesisJob } from './job.ts';

const RUN = 's3://pggan/runs/research/rsna-normal';

test('every shard is an index with restarts of its own; memory and the store fail all of them at once', () => {
  const { spec } = job();
  assert.partialDeepStrictEqual(spec, {
    completionMode: 'Indexed',
    completions: 4,
    parallelism: 4,
    backoffLimitPerIndex: 7,
    maxFailedIndexes: 2,
  });
  assert.equal(spec?.backoffLimit, undefined, 'it would be shared by all shards');
  assert.equal(spec?.successPolicy, undefined, 'all images are wanted');
  assert.deepEqual(spec?.podFailurePolicy?.rules, [
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    onExit('Ignore', 75),
    onExit('FailIndex', 2),
    onExit('FailJob', 3, 4),
  ]);
});

test('all pods share one run document, and each finds its shard in its completion index', () => {
  const env = trainerOf(job()).env ?? [];
  const run = parseRunDocument(env.find(({ name }) => name === 'PGGAN_RUN')?.value, '3');
  assert.ok(run.kind === 'synthesis');
  assert.partialDeepStrictEqual(run, { shard: 3, shards: 4, count: 6300, checkpoint: { uri: RUN } });
  assert.equal(run.output.uri, 's3://pggan/synthetic/research/rsna-normal-6300');
  assert.equal(
    env.find(({ name }) => name === 'PGGAN_SHARD')?.valueFrom?.fieldRef?.fieldPath,
    "metadata.annotations['batch.kubernetes.io/job-completion-index']",
  );
});

test('a GPU in its limits is one that every shard insists on', () => {
  assert.equal(deviceOf({ resources: { limits: { 'nvidia.com/gpu': '1' } } }), 'gpu');
  assert.equal(deviceOf({}), undefined);
});

test('with a GPU in its limits it draws with the image for GPUs', () => {
  const config = { ...CONFIG, trainerGpuImage: 'registry.example/pggan-trainer-gpu:1.0' };
  const imageOf = (template: object): string | undefined => trainerOf(job({ 'spec/template': template }, {}, RUN, config)).image;
  assert.equal(imageOf({ resources: { limits: { 'nvidia.com/gpu': '1' } } }), config.trainerGpuImage);
  assert.equal(imageOf({}), config.trainerImage);
  assert.equal(imageOf({ image: 'mine', resources: { limits: { 'nvidia.com/gpu': '1' } } }), 'mine');
});

test('its pods are not taken for those of the training that it draws with', () => {
  const labels = job().spec?.template.metadata?.labels;
  assert.equal(labels?.['pggan.dev/synthesis'], 'rsna-normal-6300');
  assert.equal(labels?.['pggan.dev/training'], undefined);
});

test("the training's store is used where the job names none", () => {
  const store = { endpoint: 'https://minio.other.svc:9000', credentialsSecretRef: { name: 'other' } };
  const volumes = podOf(job({}, { store })).volumes ?? [];
  assert.ok(volumes.some(({ secret }) => secret?.secretName === 'other'));
});

test('scratch space holds the dataset of a shard where TFRecords are asked for', () => {
  assert.equal(scratchLimit({}), '4Gi');
  // 1,575 images of 512x512 with their smaller levels, as if in colour.
  assert.equal(scratchLimit({ 'spec/format': 'TFRecord' }, { resolution: 512 }), '6Gi');
  assert.equal(scratchLimit({ 'spec/format': 'TFRecord', 'spec/resolution': 256 }, { resolution: 512 }), '5Gi');
  assert.equal(scratchLimit({ 'spec/format': 'TFRecord' }), '11Gi');
});

test('a checkpoint that a training reported from a claim is found on that claim', () => {
  const built = job({}, {}, 'file:///claims/runs/gan/research/rsna-normal/checkpoints/000015000064');
  assert.ok(podOf(built).volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === 'runs'));
  const run = parseRunDocument(trainerOf(built).env?.find(({ name }) => name === 'PGGAN_RUN')?.value);
  assert.equal(run.kind === 'synthesis' && run.checkpoint.uri, 'file:///claims/runs/gan/research/rsna-normal/checkpoints/000015000064');
});

const onExit = (action: string, ...values: number[]) => ({ action, onExitCodes: { containerName: 'trainer', operator: 'In', values } });

function job(changes: Change = {}, facts: SynthesisFacts = {}, checkpointUri = RUN, config = CONFIG) {
  const task = { kind: 'synthesize', checkpointUri } as const;
  const create = { kind: 'createJob', name: 'rsna-normal-6300-synthesis', task, digest: 'd1', backoffLimit: 7, queued: false } as const;
  return synthesisJob(synthesisObject(changes), create, facts, config);
}

function scratchLimit(changes: Change, facts: SynthesisFacts = {}): string | undefined {
  return podOf(job(changes, facts)).volumes?.find(({ name }) => name === 'scratch')?.emptyDir?.sizeLimit;
}

function podOf(built: ReturnType<typeof job>) {
  const pod = built.spec?.template.spec;
  assert.ok(pod);
  return pod;
}

function trainerOf(built: ReturnType<typeof job>) {
  const [container] = podOf(built).containers;
  assert.ok(container);
  return container;
}

function deviceOf(template: object) {
  const env = trainerOf(job({ 'spec/template': template })).env ?? [];
  return parseRunDocument(env.find(({ name }) => name === 'PGGAN_RUN')?.value).device;
}
