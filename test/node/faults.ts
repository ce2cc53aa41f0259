/**
 * Part of `npm run test:node`: what goes wrong on a real node leads to the condition, the event and the words that docs/states.md and
 * docs/reference promise. Each fault befalls a training or a synthesis of its own.
 */
import assert from 'node:assert/strict';
import { after, suite, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { done } from '../harness/command.ts';
import { CHART, helm } from '../harness/helm.ts';
import { until } from '../harness/kube.ts';
import { pggan, succeeded } from '../harness/pggan.ts';
import { createAfterwards } from './afterwards.ts';
import { crash, exhaust, fill, fillUp, findNode, loseNode, makeRoom, onTheGpuNode, smallStore, withGpu } from './harm.ts';
import { conditionOf, seen } from './seen.ts';
import { authorityOf, configMap, datasetOf, NAMESPACE, prepareStore, secret, type Stage, startStage, STORE, trainingOf } from './stage.ts';

type Fault = {
  readonly name: string;
  /** Fields of the training that differ from a good one's. */
  readonly spec?: object;
  /** Instead of a training. */
  readonly synthesis?: object;
  /** What else is in the cluster. */
  readonly given?: (stage: Stage, t: TestContext) => Promise<unknown>;
  /** What befalls it once it is there, and how that is made good. */
  readonly during?: (stage: Stage, signal: AbortSignal) => Promise<unknown>;
  readonly afterwards?: (stage: Stage, signal: AbortSignal) => Promise<unknown>;
  readonly condition: readonly [type: 'Progressing' | 'Stalled' | 'Accepted', status: 'True' | 'False', reason: string, message: RegExp];
  /** Reasons of events that tell of it; of its pods' too. */
  readonly events?: readonly string[];
  readonly podEvents?: readonly string[];
};

const RESOLUTION = 16;
const BASE = {
  dataset: { uri: 's3://pggan/datasets/chests' },
  output: { uri: 's3://pggan/runs' },
  store: STORE,
  resolution: RESOLUTION,
  totalKimg: 5,
  schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 16 },
};
/** Its first phase is not over before it can be disturbed. */
const LONG = { totalKimg: 500, schedule: { ...BASE.schedule, trainKimg: 100, transitionKimg: 100 }, checkpoints: { everyKimg: 1 } };
const limits = (resources: Readonly<Record<string, string>>): object => ({ template: { resources: { limits: resources } } });

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
    events: ['StoreUnavailable'],
  },
  {
    name: 'unknown-access-key',
    spec: { store: { ...STORE, credentialsSecretRef: { name: 'stranger' } } },
    given: ({ cluster }) => cluster.apply(secret('stranger', 'stranger', 'stranger-secret')),
    condition: ['Progressing', 'False', 'StoreUnavailable', /the access key is not known there/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'wrong-secret-key',
    spec: { store: { ...STORE, credentialsSecretRef: { name: 'mistyped' } } },
    given: ({ cluster, server }) => cluster.apply(secret('mistyped', server.credentials.accessKey, 'mistyped-secret')),
    condition: ['Progressing', 'False', 'StoreUnavailable', /the secret key is not that of the access key/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'no-bucket',
    spec: { output: { uri: 's3://nowhere/runs' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /there is no bucket 'nowhere'/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'no-dataset',
    spec: { dataset: { uri: 's3://pggan/datasets/none' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /datasets\/none/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'unreachable-store',
    spec: { store: { ...STORE, endpoint: 'https://minio.minio.svc:9001' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /minio\.minio\.svc:9001.*check the endpoint/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'unknown-host',
    spec: { store: { ...STORE, endpoint: 'https://nobody.minio.svc:9000' } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /nobody\.minio\.svc.*name is not known to DNS: check the endpoint/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'unknown-authority',
    spec: { store: { endpoint: STORE.endpoint, credentialsSecretRef: STORE.credentialsSecretRef } },
    condition: ['Progressing', 'False', 'StoreUnavailable', /its certificate is signed by an authority that is not trusted here/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'full-store',
    spec: { store: { ...STORE, endpoint: 'https://full.minio.svc:9000', caConfigMapRef: { name: 'full-ca' } } },
    given: async (stage, t) => fill(await smallStore(stage, t, 'full')),
    condition: ['Progressing', 'False', 'StoreUnavailable', /there is no room left/],
    events: ['StoreUnavailable'],
  },
  {
    name: 'store-fills-up',
    spec: { ...LONG, store: { ...STORE, endpoint: 'https://filling.minio.svc:9000', caConfigMapRef: { name: 'filling-ca' } } },
    given: (stage, t) => smallStore(stage, t, 'filling'),
    during: fillUp,
    afterwards: makeRoom,
    condition: ['Progressing', 'False', 'StoreFull', /room/],
    events: ['StoreFull'],
  },
  {
    name: 'no-image',
    spec: { template: { image: 'localhost/nobody/trainer:1', imagePullPolicy: 'IfNotPresent' } },
    condition: ['Progressing', 'True', 'Scheduling', /(?:ErrImagePull|ImagePullBackOff): .*localhost\/nobody\/trainer:1/],
    podEvents: ['Failed'],
  },
  {
    name: 'quota',
    given: ({ kubectl }) => kubectl('create', 'quota', 'none', '-n', NAMESPACE, '--hard=requests.nvidia.com/gpu=0'),
    spec: limits({ 'nvidia.com/gpu': '1' }),
    afterwards: ({ kubectl }) => kubectl('delete', 'quota', 'none', '-n', NAMESPACE),
    condition: ['Progressing', 'False', 'PodsNotCreated', /kubectl events --for job\/quota-4/],
    events: ['PodsNotCreated'],
  },
  {
    name: 'no-room-on-the-node',
    spec: { template: { resources: { requests: { cpu: '1000' } } } },
    condition: ['Progressing', 'True', 'Scheduling', /Unschedulable: .*Insufficient cpu/],
    podEvents: ['FailedScheduling'],
  },
  {
    name: 'crash',
    spec: LONG,
    during: crash,
    condition: ['Progressing', 'True', 'Training', /Training at 4x4/],
    events: ['PodFailed', 'TrainingResumed'],
  },
  {
    name: 'no-memory',
    spec: limits({ memory: '200Mi' }),
    condition: ['Stalled', 'True', 'DoesNotFit', /16x16 needs \d+ MB of memory .*the memory limit of its pod is 210 MB.*4x4 needs/],
    events: ['Stalled'],
  },
  {
    name: 'other-resolution',
    spec: { resolution: 64, totalKimg: 20 },
    condition: ['Stalled', 'True', 'Invalid', /ends at 16x16, the run wants 64x64/],
    events: ['Stalled'],
  },
  {
    name: 'killed-for-memory',
    synthesis: { template: { resources: { limits: { memory: '64Mi' } } } },
    condition: ['Stalled', 'True', 'OutOfMemory', /ran out of memory 3 times in a row: raise the memory limit/],
    events: ['Stalled'],
  },
  {
    name: 'out-of-memory',
    // Without a newer checkpoint in between.
    spec: { ...LONG, checkpoints: { everyKimg: 1000 } },
    during: exhaust,
    condition: ['Stalled', 'True', 'OutOfMemory', /out-of-memory-4 ran out of memory 3 times in a row: .*raise/],
    events: ['OutOfMemory', 'Stalled'],
  },
  {
    name: 'no-gpu-in-the-image',
    given: withGpu,
    spec: limits({ 'nvidia.com/gpu': '1' }),
    during: onTheGpuNode,
    condition: ['Stalled', 'True', 'Invalid', /a GPU was asked for, but the native backend found none/],
    events: ['Stalled'],
  },
  {
    name: 'lost-node',
    spec: LONG,
    during: loseNode,
    afterwards: findNode,
    condition: ['Progressing', 'False', 'NodeLost', /is gone: delete the node/],
    events: ['NodeLost'],
  },
  {
    // The run folder of the one that all others draw from: last of all.
    name: 'good',
    given: ({ kubectl }) => kubectl('delete', 'pgt', 'good', '-n', NAMESPACE, '--timeout=120s'),
    spec: { seed: 2000 },
    condition: ['Stalled', 'True', 'FingerprintMismatch', /differs in .*seed.*another name, or delete that run folder/],
    events: ['Stalled'],
  },
];

suite('what goes wrong on a real node is told', () => {
  let stage: Stage | undefined;
  const afterwards = createAfterwards();
  after(() => afterwards.run());

  test('there is a cluster with the operator, and a run to draw from', async (t) => {
    stage = await startStage(afterwards.of(t));
    if (!stage) return;
    await prepareStore(stage);
    await install(t, stage);
    await stage.cluster.apply(trainingOf('good', BASE));
    await stage.kubectl('wait', '-n', NAMESPACE, '--for=condition=Succeeded', 'pgt/good', '--timeout=600s');
  });

  for (const fault of FAULTS)
    test(fault.name, { timeout: 300_000 }, async (t) => {
      const at = stage ?? assert.fail('there is no cluster');
      const { name, spec = {}, synthesis, events = [], podEvents = [] } = fault;
      const kind = synthesis ? 'synth' : 'pgt';
      await fault.given?.(at, afterwards.of(t));
      await at.cluster.apply(synthesis ? synthesisOf(name, synthesis) : trainingOf(name, { ...BASE, ...spec }));
      try {
        await fault.during?.(at, t.signal);
        const message = await told(at, kind, fault, t.signal);
        await hasEvents(at, name, events, t.signal);
        for (const event of podEvents) await until(async () => t.signal.aborted || (await podsOf(at, name, event)) !== '');
        const names = [...events, ...podEvents].join(', ');
        process.stdout.write(`# ${name}: ${fault.condition.slice(0, 3).join(' ')}; ${names}: ${message}\n`);
      } finally {
        await fault.afterwards?.(at, t.signal);
        await at.kubectl('delete', kind, name, '-n', NAMESPACE, '--wait=false');
      }
    });
});

/** The operator, what pods need to reach the store, and a dataset in it. */
async function install(t: TestContext, { cluster, server, workspace, radiographs }: Stage): Promise<void> {
  const values = {
    image: { repository: 'localhost/pggan-operator' },
    trainerImage: { repository: 'localhost/pggan-trainer' },
    pollSeconds: 1,
    networkPolicy: { trainers: { namespaces: [NAMESPACE] } },
  };
  await cluster.apply(restricted('pggan-system'), restricted(NAMESPACE), configMap('minio-ca', { 'ca.crt': authorityOf(server) }));
  const run = helm(t, cluster.plane.kubeconfig) ?? assert.fail('no Helm');
  const args = ['--namespace', 'pggan-system', '--wait', '--timeout', '300s', '--values', '-'];
  await done(run, ['install', 'pggan-operator', CHART, ...args], JSON.stringify(values));
  await cluster.apply(secret('pggan-store', server.credentials.accessKey, server.credentials.secretKey));
  const folder = datasetOf(workspace);
  await succeeded(pggan(t, ['dataset', 'create-from-images', folder, radiographs, '--resize', String(RESOLUTION), '--grayscale']));
  await succeeded(pggan(t, ['dataset', 'upload', folder, `s3://${server.bucket}/datasets/chests`], { env: server.env }));
}

const restricted = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
});

/** The message of the condition that the fault leads to, as soon as it does. Where it never does, prints the conditions that there are. */
async function told({ cluster }: Stage, kind: string, { name, condition }: Fault, signal: AbortSignal): Promise<string> {
  const [type, status, reason, message] = condition;
  for (;;) {
    const object = await seen(cluster.run, kind, name);
    const found = conditionOf(object, type);
    if (found?.status === status && found.reason === reason && message.test(found.message)) return found.message;
    if (signal.aborted) process.stdout.write(`# ${name} came to ${JSON.stringify(object.status?.conditions)}\n`);
    signal.throwIfAborted();
    await setTimeout(200);
  }
}

async function hasEvents({ kubectl }: Stage, name: string, events: readonly string[], signal: AbortSignal): Promise<void> {
  const selected = `--field-selector=regarding.name=${name}`;
  await until(async () => {
    const reasons = await kubectl('get', 'events.events.k8s.io', '-n', NAMESPACE, selected, '-o', 'jsonpath={.items[*].reason}');
    return signal.aborted || events.every((event) => reasons.split(' ').includes(event));
  });
}

/** Names of the pods of a training that an event with this reason is about. */
async function podsOf({ kubectl }: Stage, name: string, reason: string): Promise<string> {
  const selected = `--field-selector=reason=${reason}`;
  const names = await kubectl('get', 'events.events.k8s.io', '-n', NAMESPACE, selected, '-o', 'jsonpath={.items[*].regarding.name}');
  return names.split(' ').find((pod) => pod.startsWith(`${name}-`)) ?? '';
}

const synthesisOf = (name: string, spec: object): object => ({
  apiVersion: 'pggan.dev/v1alpha1',
  kind: 'SynthesisJob',
  metadata: { name, namespace: NAMESPACE },
  spec: { trainingRef: { name: 'good' }, count: 4, shards: 1, seed: 1, threads: 1, output: { uri: 's3://pggan/drawn' }, ...spec },
});
