/** From a decision to the Job of a preflight or a phase, rule by rule. What the API server says to them is in test/jobs.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRunDocument } from '../../crds/run.ts';
import type { Change } from '../../crds/test-objects.ts';
import { CONFIG, EVERYTHING, trainingObject } from '../jobs/test-objects.ts';
import { claimUri } from '../jobs/volumes.ts';
import type { TrainingFacts } from './job.ts';
import { imageFor, trainingJob } from './job.ts';
import type { Task } from './observed.ts';

const PHASE: Task = { kind: 'train', resolution: 512, endImages: 15_000_000 };
const PREFLIGHT: Task = { kind: 'preflight' };

test('the Job of a phase is found by its labels, belongs to its training, and remembers what it was built for', () => {
  const { metadata, spec } = job();
  assert.equal(metadata?.name, 'rsna-normal-512');
  assert.equal(metadata?.namespace, 'research');
  const labels = { 'pggan.dev/training': 'rsna-normal', 'pggan.dev/resolution': '512', 'app.kubernetes.io/component': 'training' };
  assert.partialDeepStrictEqual(metadata?.labels, labels);
  assert.partialDeepStrictEqual(spec?.template.metadata?.labels, labels);
  assert.deepEqual(JSON.parse(metadata?.annotations?.['pggan.dev/task'] ?? ''), PHASE);
  assert.equal(metadata?.annotations?.['pggan.dev/digest'], 'd1');
  assert.deepEqual(metadata?.ownerReferences, [
    {
      apiVersion: 'pggan.dev/v1alpha1',
      kind: 'PGGANTraining',
      name: 'rsna-normal',
      uid: '0f3c5a52-8f4e-4a37-9f5e-0d6f3f1f7a01',
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
});

test('an eviction is ignored whatever its exit code, then a stop on request; what another try cannot mend fails the Job', () => {
  const { spec } = job();
  assert.deepEqual(spec?.podFailurePolicy?.rules, [
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    onExit('Ignore', 75),
    onExit('FailJob', 2, 3, 4),
  ]);
  assert.partialDeepStrictEqual(spec, { completions: 1, parallelism: 1, backoffLimit: 7, podReplacementPolicy: 'Failed' });
  assert.equal(spec?.template.spec?.restartPolicy, 'Never');
  assert.equal(spec?.ttlSecondsAfterFinished, undefined, 'it would be gone before its result is recorded');
});

test('a queued Job is created suspended under the labels that Kueue looks for, any other one runs at once', () => {
  const queued = job({ 'spec/queue': { name: 'gpu-queue', priorityClass: 'research' } }, PHASE, {}, true);
  assert.equal(queued.spec?.suspend, true);
  assert.partialDeepStrictEqual(queued.metadata?.labels, {
    'kueue.x-k8s.io/queue-name': 'gpu-queue',
    'kueue.x-k8s.io/priority-class': 'research',
  });
  assert.equal(job().spec?.suspend, false);
  assert.ok(Object.keys(job().metadata?.labels ?? {}).every((key) => !key.startsWith('kueue')));
});

test('a preflight waits in the same queue, goes where the phases go, and asks for no GPU', () => {
  const built = job({ 'spec/template': EVERYTHING, 'spec/queue': { name: 'gpu-queue' } }, PREFLIGHT, {}, true);
  assert.equal(built.metadata?.name, 'rsna-normal-preflight');
  assert.equal(built.metadata?.labels?.['kueue.x-k8s.io/queue-name'], 'gpu-queue');
  const pod = podOf(built);
  assert.deepEqual(pod.tolerations, EVERYTHING.tolerations);
  assert.equal(pod.resourceClaims, undefined);
  assert.deepEqual(Object.keys(trainerOf(built).resources?.limits ?? {}), ['memory']);
  assert.equal(trainerOf(built).resources?.claims, undefined);
});

test('an override of a phase replaces fields whole, but environment variables by name', () => {
  const base = {
    nodeSelector: { a: '1', b: '2' },
    env: [
      { name: 'A', value: 'base' },
      { name: 'B', value: 'base' },
    ],
    labels: { x: '1' },
  };
  const override = { nodeSelector: { c: '3' }, env: [{ name: 'B', value: 'phase' }] };
  const changes = { 'spec/template': base, 'spec/phases': [{ resolution: 512, minibatch: 4, template: override }] };
  const phase = job(changes);
  assert.deepEqual(podOf(phase).nodeSelector, { c: '3' });
  assert.equal(phase.spec?.template.metadata?.labels?.['x'], '1');
  assert.deepEqual(environmentOf(phase, 'A'), ['base']);
  assert.deepEqual(environmentOf(phase, 'B'), ['phase']);
  const other = job(changes, { kind: 'train', resolution: 4, endImages: 600_064 });
  assert.deepEqual(podOf(other).nodeSelector, base.nodeSelector);
  assert.deepEqual(environmentOf(other, 'B'), ['base']);
});

test('labels of a template do not displace those that pods are found by', () => {
  const built = job({ 'spec/template': { labels: { 'app.example/name': 'x' } } });
  assert.partialDeepStrictEqual(built.spec?.template.metadata?.labels, { 'app.example/name': 'x', 'pggan.dev/training': 'rsna-normal' });
});

test("a pod's command is the one of its run document", () => {
  assert.deepEqual(trainerOf(job()).args, ['train']);
  assert.deepEqual(trainerOf(job({}, PREFLIGHT)).args, ['preflight']);
});

test('the pod is told a run document that a trainer reads: the task, its owner, no secret', () => {
  const [text] = environmentOf(job());
  const run = parseRunDocument(text);
  assert.ok(run.kind === 'training');
  assert.deepEqual(run.task, { kind: 'train', resolution: 512 });
  assert.deepEqual(run.owner, { cluster: 'east', namespace: 'research', name: 'rsna-normal', uid: '0f3c5a52-8f4e-4a37-9f5e-0d6f3f1f7a01' });
  assert.equal(run.run.uri, 's3://pggan/runs/research/rsna-normal');
  assert.deepEqual(run.store, { endpoint: 'https://minio.minio.svc:9000' });
  assert.equal(run.port, 8080);
});

test('whose limits hold a GPU, whole or a slice, is told to insist on it; its preflight is not', () => {
  assert.equal(deviceOf({ limits: { 'nvidia.com/gpu': '1' } }), 'gpu');
  assert.equal(deviceOf({ limits: { 'nvidia.com/mig-1g.10gb': '1' } }), 'gpu');
  assert.equal(deviceOf({ limits: { 'nvidia.com/gpu': '1' } }, PREFLIGHT), undefined);
  assert.equal(deviceOf({ limits: { memory: '1Gi', 'example.com/fpga': '1' } }), undefined);
});

test('the largest training that is admitted has a run document within 64 KiB', () => {
  const [text = ''] = environmentOf(
    job({
      'metadata/name': 'a'.repeat(50),
      'metadata/namespace': 'a'.repeat(63),
      'spec/resolution': 1024,
      'spec/totalKimg': 1_000_000,
      'spec/dataset/uri': uriOfFullLength('s3://bucket/'),
      'spec/output/uri': uriOfFullLength('s3://bucket/'),
      'spec/initFrom': { checkpoint: { uri: uriOfFullLength('s3://bucket/') } },
    }),
  );
  assert.ok(Buffer.byteLength(text) < 64 * 1024);
  assert.equal(parseRunDocument(text).kind, 'training');
});

test('claims are mounted once each, read-only unless the run is written there, and named by their paths in the pod', () => {
  const built = job({
    'spec/store': undefined,
    'spec/dataset/uri': 'pvc://datasets.v1/rsna/50%',
    'spec/output/uri': 'pvc://runs/gan',
    'spec/initFrom': { checkpoint: { uri: 'pvc://runs/other/checkpoints/000000600064' } },
  });
  const claims = podOf(built).volumes?.filter(({ persistentVolumeClaim }) => persistentVolumeClaim);
  assert.deepEqual(claims, [
    { name: 'claim-0', persistentVolumeClaim: { claimName: 'datasets.v1', readOnly: true } },
    { name: 'claim-1', persistentVolumeClaim: { claimName: 'runs' } },
  ]);
  const run = parseRunDocument(environmentOf(built)[0]);
  assert.ok(run.kind === 'training');
  assert.equal(run.dataset.uri, 'file:///claims/datasets.v1/rsna/50%25');
  assert.equal(run.run.uri, 'file:///claims/runs/gan/research/rsna-normal');
  assert.equal(run.initFrom?.uri, 'file:///claims/runs/other/checkpoints/000000600064');
  assert.equal(claimUri(run.dataset.uri), 'pvc://datasets.v1/rsna/50%', 'what the trainer reports is told by its outer name');
  assert.equal(claimUri('s3://pggan/x'), 's3://pggan/x');
});

test('another training is a source under the URI that was looked up for it', () => {
  const built = job({ 'spec/initFrom': { trainingRef: { name: 'other' } } }, PHASE, { initFromUri: 's3://pggan/runs/research/other' });
  const run = parseRunDocument(environmentOf(built)[0]);
  assert.equal(run.kind === 'training' && run.initFrom?.uri, 's3://pggan/runs/research/other');
});

test('credentials are files that may be missing when the pod starts; other keys of the Secret stay out of it', () => {
  const built = job({ 'spec/store/caConfigMapRef': { name: 'minio-ca' } });
  const volumes = podOf(built).volumes ?? [];
  assert.partialDeepStrictEqual(volumes, [
    { secret: { secretName: 'pggan-store', items: items('accessKey', 'secretKey'), optional: true } },
    { configMap: { name: 'minio-ca', items: items('ca.crt'), optional: true } },
  ]);
  const mounts = trainerOf(built).volumeMounts ?? [];
  const [folder] = environmentOf(built, 'PGGAN_STORE_CREDENTIALS');
  const [ca] = environmentOf(built, 'PGGAN_STORE_CA');
  assert.ok(mounts.some(({ mountPath, readOnly }) => mountPath === folder && readOnly));
  assert.ok(mounts.some(({ mountPath, readOnly }) => `${mountPath}/ca.crt` === ca && readOnly));
  const anonymous = job({ 'spec/store': { endpoint: 'https://minio.minio.svc:9000' } });
  assert.deepEqual(environmentOf(anonymous, 'PGGAN_STORE_CREDENTIALS'), []);
});

test("scratch space has room for the phase's file of the dataset and two checkpoints", () => {
  const training = { ...trainingObject(), status: status({ 512: 1_650_000_000, 256: 400_000_000 }) };
  const limit = (task: Task): number => Number.parseInt(scratchOf(trainingJob(training, create(task), {}, CONFIG)), 10);
  assert.ok(limit(PHASE) * 2 ** 30 > 1_650_000_000 + 2 * 650_000_000);
  assert.ok(limit({ kind: 'train', resolution: 256, endImages: 1 }) < limit(PHASE));
});

test('the grace of a pod covers what its checkpoint takes to save, measured or estimated', () => {
  assert.ok(graceOf({ checkpointSeconds: 100 }) >= 160);
  assert.ok(graceOf({ checkpointSeconds: 1 }) >= 60, 'a step in flight ends first');
  assert.ok(graceOf({ checkpointSeconds: 1e9 }) <= 3660, 'whatever a trainer says');
  assert.ok(graceOf({}) > graceOf({}, { 'spec/resolution': 64, 'spec/phases': [] }), 'before the first checkpoint its size decides');
});

test('the image is that of the template, else the one of the acceptance, else the default of the operator', () => {
  assert.equal(imageOf({ 'spec/template/image': 'mine' }, { image: 'accepted' }), 'mine');
  assert.equal(imageOf({}, { image: 'accepted' }), 'accepted');
  assert.equal(imageOf({}, {}), CONFIG.trainerImage);
});

test('a training of which any phase is promised a GPU gets the image for GPUs, from its preflight on; without one all get the same', () => {
  const both = { ...CONFIG, trainerGpuImage: 'registry.example/pggan-trainer-gpu:1.0' };
  const gpu = { limits: { 'nvidia.com/gpu': '1' } };
  const slice = { limits: { 'nvidia.com/mig-1g.10gb': '1' } };
  const none = { 'spec/template': {}, 'spec/phases': [] };
  const cases: readonly (readonly [Change, string])[] = [
    [none, both.trainerImage],
    [{ ...none, 'spec/template': { resources: gpu } }, both.trainerGpuImage],
    [{ ...none, 'spec/phases': [{ resolution: 4, template: { resources: slice } }] }, both.trainerGpuImage],
  ];
  for (const [changes, image] of cases) {
    const training = trainingObject(changes);
    assert.equal(imageFor(training.spec, both), image);
    const built: readonly Built[] = [PREFLIGHT, PHASE].map((task) => trainingJob(training, create(task), {}, both));
    for (const one of built) assert.equal(trainerOf(one).image, image);
    assert.equal(imageFor(training.spec, CONFIG), CONFIG.trainerImage);
  }
});

test('a trainer that hangs is killed by its own watchdog, one that starts slowly is not', () => {
  const { livenessProbe, startupProbe, ports } = trainerOf(job());
  assert.deepEqual(ports, [{ name: 'http', containerPort: 8080, protocol: 'TCP' }]);
  assert.deepEqual(livenessProbe?.httpGet, { path: '/healthz', port: 'http' });
  assert.deepEqual(startupProbe?.httpGet, { path: '/healthz', port: 'http' });
  assert.ok((startupProbe?.periodSeconds ?? 0) * (startupProbe?.failureThreshold ?? 0) >= 300);
});

const onExit = (action: string, ...values: number[]) => ({ action, onExitCodes: { containerName: 'trainer', operator: 'In', values } });
const items = (...keys: string[]) => keys.map((key) => ({ key, path: key }));
const uriOfFullLength = (prefix: string): string => `${prefix}${'a'.repeat(512 - prefix.length)}`;

function create(task: Task, queued = false) {
  const name = `rsna-normal-${task.kind === 'preflight' ? 'preflight' : task.resolution}`;
  return { kind: 'createJob', name, task, digest: 'd1', backoffLimit: 7, queued } as const;
}

function job(changes: Change = {}, task: Task = PHASE, facts: TrainingFacts = {}, queued = false) {
  return trainingJob(trainingObject(changes), create(task, queued), facts, CONFIG);
}

type Built = ReturnType<typeof job>;

function podOf(built: Built) {
  const pod = built.spec?.template.spec;
  assert.ok(pod);
  return pod;
}

function trainerOf(built: Built) {
  const [container, ...others] = podOf(built).containers;
  assert.ok(container && others.length === 0);
  return container;
}

function graceOf(facts: TrainingFacts, changes: Change = {}): number {
  return podOf(job(changes, PHASE, facts)).terminationGracePeriodSeconds ?? 0;
}

function imageOf(changes: Change, facts: TrainingFacts): string | undefined {
  return trainerOf(job(changes, PHASE, facts)).image;
}

/** Values of a variable: one, unless it was set twice. */
function environmentOf(built: Built, variable = 'PGGAN_RUN'): readonly (string | undefined)[] {
  return (trainerOf(built).env ?? []).filter(({ name }) => name === variable).map(({ value }) => value);
}

function scratchOf(built: Built): string {
  return podOf(built).volumes?.find(({ name }) => name === 'scratch')?.emptyDir?.sizeLimit ?? '';
}

function status(datasetBytes: Readonly<Record<string, number>>) {
  const preflight = { state: 'Complete', earlierFailures: 0, forgivenFailures: 0 } as const;
  return {
    observedGeneration: 1,
    conditions: [],
    preflight,
    phases: [],
    failures: 0,
    resumes: 0,
    disruptions: 0,
    outOfMemory: 0,
    datasetBytes,
  };
}

function deviceOf(resources: object, task: Task = PHASE) {
  return parseRunDocument(environmentOf(job({ 'spec/template': { resources }, 'spec/phases': undefined }, task))[0]).device;
}
