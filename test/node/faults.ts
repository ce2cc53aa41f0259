/**
 * Part of `npm run test:node`: what goes wrong on a real node leads to the condition, the event and the words that docs/states.md and
 * docs/reference promise. Each fault befalls a training or a synthesis of its own.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test, type TestContext } from 'node:test';
import { until } from '../harness/kube.ts';
import { NODE_NAME } from '../harness/kubelet.ts';
import { serviceOf } from '../harness/node-cluster.ts';
import { startObjectStore } from '../harness/object-store.ts';
import { pggan, succeeded } from '../harness/pggan.ts';
import { createAfterwards } from './afterwards.ts';
import { conditionOf, seen } from './seen.ts';
import {
  authorityOf,
  configMap,
  NAMESPACE,
  PLACES,
  prepareNamespaces,
  RESOLUTION,
  type Stage,
  startStage,
  STORE,
  trainingOf,
} from './stage.ts';

type Fault = {
  readonly name: string;
  /** Fields of the training that differ from a good one's. */
  readonly spec?: object;
  /** Instead of a training. */
  readonly synthesis?: object;
  /** What else is in the cluster. */
  readonly given?: (stage: Stage, t: TestContext) => Promise<unknown>;
  readonly condition: readonly [type: 'Progressing' | 'Stalled' | 'Accepted', status: 'True' | 'False', reason: string, message: RegExp];
  /** Reason of an event that tells of it. */
  readonly event?: string;
};

const BASE = {
  ...PLACES,
  resolution: RESOLUTION,
  totalKimg: 5,
  schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 16 },
};
const limits = (resources: Readonly<Record<string, string>>): object => ({ template: { resources: { limits: resources } } });
const secret = (name: string, accessKey: string, secretKey: string): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: NAMESPACE },
  stringData: { accessKey, secretKey },
});

const FAULTS: readonly Fault[] = [
  {
    name: 'missing-secret',
    spec: { store: { ...STORE, credentialsSecretRef: { name: 'nobody' } } },
    condition: [
      'Progressing',
      'False',
      'StoreUnavailable',
      /there are no credentials for it: .* lacks .*check the Secret of spec.store.credentialsSecretRef/,
    ],
    event: 'StoreUnavailable',
  },
  {
    name: 'unknown-access-key',
    spec: { store: { ...STORE, credentialsSecretRef: { name: 'stranger' } } },
    given: ({ cluster }) => cluster.apply(secret('stranger', 'stranger', 'stranger-secret')),
    condition: ['Progressing', 'False', 'StoreUnavailable', /the access key is not known there/],
    event: 'StoreUnavailable',
  },
  {
    name: 'wrong-secret-key',
    spec: { store: { ...STORE, credentialsSecretRef: { name: 'mistyped' } } },
    given: ({ cluster, server }) => cluster.apply(secret('mistyped', server.credentials.accessKey, 'mistyped-secret')),
    condition: ['Progressing', 'False', 'StoreUnavailable', /the secret key is not that of the access key/],
    event: 'StoreUnavailable',
  },
  {
    name: 'no-bucket',
    spec: { output: { uri: 's3://nowhere/runs' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /there is no bucket 'nowhere'/],
    event: 'StoreUnavailable',
  },
  {
    name: 'no-dataset',
    spec: { dataset: { uri: 's3://pggan/datasets/none' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /datasets\/none/],
    event: 'StoreUnavailable',
  },
  {
    name: 'unreachable-store',
    spec: { store: { ...STORE, endpoint: 'https://minio.minio.svc:9001' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /minio\.minio\.svc:9001/],
    event: 'StoreUnavailable',
  },
  {
    name: 'unknown-host',
    spec: { store: { ...STORE, endpoint: 'https://nobody.minio.svc:9000' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /nobody\.minio\.svc/],
    event: 'StoreUnavailable',
  },
  {
    name: 'unknown-authority',
    spec: { store: { endpoint: STORE.endpoint, credentialsSecretRef: STORE.credentialsSecretRef } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /certificate/],
    event: 'StoreUnavailable',
  },
  {
    name: 'full-store',
    spec: { store: { ...STORE, endpoint: 'https://full.minio.svc:9000', caConfigMapRef: { name: 'full-ca' } } },
    given: fullStore,
    condition: ['Progressing', 'False', 'StoreUnavailable', /there is no room left/],
    event: 'StoreUnavailable',
  },
  {
    name: 'no-image',
    spec: { template: { image: 'localhost/nobody/trainer:1', imagePullPolicy: 'IfNotPresent' } },
    condition: ['Progressing', 'True', 'Scheduling', /ErrImagePull|ImagePullBackOff/],
  },
  {
    name: 'quota',
    given: ({ kubectl }) => kubectl('create', 'quota', 'none', '-n', NAMESPACE, '--hard=requests.nvidia.com/gpu=0'),
    spec: limits({ 'nvidia.com/gpu': '1' }),
    condition: ['Progressing', 'False', 'PodsNotCreated', /quota/],
    event: 'PodsNotCreated',
  },
  {
    name: 'no-memory',
    spec: limits({ memory: '200Mi' }),
    condition: ['Stalled', 'True', 'DoesNotFit', /memory/],
    event: 'Stalled',
  },
  {
    name: 'other-resolution',
    spec: { resolution: 64, totalKimg: 20 },
    condition: ['Stalled', 'True', 'Invalid', /64/],
    event: 'Stalled',
  },
  {
    name: 'killed-for-memory',
    synthesis: { template: { resources: { limits: { memory: '64Mi' } } } },
    condition: ['Stalled', 'True', 'OutOfMemory', /memory/],
    event: 'Stalled',
  },
  {
    name: 'no-gpu-in-the-image',
    given: withGpu,
    spec: limits({ 'nvidia.com/gpu': '1' }),
    condition: ['Stalled', 'True', 'Invalid', /a GPU was asked for, but the native backend found none/],
    event: 'Stalled',
  },
];

suite('what goes wrong on a real node is told', () => {
  let stage: Stage | undefined;
  const afterwards = createAfterwards();
  after(() => afterwards.run());

  test('there is a cluster with the operator, and a run to draw from', async (t) => {
    stage = await startStage(afterwards.of(t));
    if (!stage) return;
    await prepareNamespaces(stage);
    await stage.release('install');
    await stage.cluster.apply(trainingOf('good', BASE));
    await stage.kubectl('wait', '-n', NAMESPACE, '--for=condition=Succeeded', 'pgt/good', '--timeout=600s');
  });

  for (const { name, spec = {}, synthesis, given, condition, event } of FAULTS)
    test(name, { timeout: 300_000 }, async (t) => {
      const at = stage ?? assert.fail('there is no cluster');
      const { run, apply } = at.cluster;
      await given?.(at, afterwards.of(t));
      await apply(synthesis ? synthesisOf(name, synthesis) : trainingOf(name, { ...BASE, ...spec }));
      const kind = synthesis ? 'synth' : 'pgt';
      const [type, status, reason, message] = condition;
      let last: unknown;
      t.signal.addEventListener('abort', () => process.stdout.write(`# ${name}: ${JSON.stringify(last)}\n`));
      await until(async () => {
        const object = await seen(run, kind, name);
        last = object.status?.conditions;
        const found = conditionOf(object, type);
        return t.signal.aborted || (found?.status === status && found.reason === reason && message.test(found.message));
      });
      if (event !== undefined) await until(async () => (await eventsOf(at, name)).includes(event));
      await at.kubectl('delete', kind, name, '-n', NAMESPACE, '--wait=false');
      if (name === 'quota') await at.kubectl('delete', 'quota', 'none', '-n', NAMESPACE);
    });
});

async function eventsOf({ kubectl }: Stage, name: string): Promise<readonly string[]> {
  const regarding = `regarding.name=${name}`;
  return (
    await kubectl('get', 'events.events.k8s.io', '-n', NAMESPACE, `--field-selector=${regarding}`, '-o', 'jsonpath={.items[*].reason}')
  ).split(' ');
}

const synthesisOf = (name: string, spec: object): object => ({
  apiVersion: 'pggan.dev/v1alpha1',
  kind: 'SynthesisJob',
  metadata: { name, namespace: NAMESPACE },
  spec: { trainingRef: { name: 'good' }, count: 4, shards: 1, seed: 1, threads: 1, output: { uri: 's3://pggan/drawn' }, ...spec },
});

/** A second MinIO, on a disk that is full once the dataset is there. */
async function fullStore({ cluster, dataset }: Stage, t: TestContext): Promise<void> {
  const host = cluster.network.hostAddress;
  const server = await startObjectStore(t, 'minio', { tls: `IP:${host},DNS:full.minio.svc`, host, diskMegabytes: 160 });
  if (!server) return;
  await succeeded(pggan(t, ['dataset', 'upload', dataset, `s3://${server.bucket}/datasets/chests`], { env: server.env }));
  assert.throws(() => writeFileSync(join(server.disk(), 'ballast'), Buffer.alloc(256 << 20)), { code: 'ENOSPC' });
  const ports = [{ name: 'https', port: 9000, targetPort: server.port, protocol: 'TCP' }] as const;
  await cluster.apply(
    ...serviceOf({ name: 'full', namespace: 'minio' }, host, ports),
    configMap('full-ca', { 'ca.crt': authorityOf(server) }),
  );
}

/** As a device plugin would: the node says that it has one. */
async function withGpu({ cluster }: Stage): Promise<void> {
  const capacity = { 'nvidia.com/gpu': '1' };
  const patch = JSON.stringify({ status: { capacity, allocatable: capacity } });
  const { code, stderr } = await cluster.run(['patch', 'node', NODE_NAME, '--subresource=status', '--type=merge', '-p', patch]);
  assert.equal(code, 0, stderr);
}
