/** What the Helm chart renders, by Helm itself: a real API server takes it, and what cannot be meant is refused by name. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { CONFIG, trainingObject } from '../operator/jobs/test-objects.ts';
import { trainingJob } from '../operator/training/job.ts';
import { commandOf, done } from './harness/command.ts';
import { CHART, helm, objectsIn, type Rendered, template } from './harness/helm.ts';
import { scene } from './harness/kube.ts';
import { kubectl } from './harness/kubectl.ts';
import { freshNamespace } from './harness/shared-control-plane.ts';

const MANIFESTS = join(import.meta.dirname, '../manifests');
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const PEER = { podSelector: { matchLabels: { app: 'minio' } } };

/** Everything that can be set, set. Both are namespaces that exist. */
const everything = (research: string, radiology: string) => ({
  nameOverride: 'growth',
  image: { repository: 'registry.example/pggan/operator', tag: '0.1.0-rc.1', pullPolicy: 'Always' },
  imagePullSecrets: [{ name: 'registry' }],
  trainerImage: { repository: 'registry.example/pggan/trainer', digest: DIGEST },
  trainerGpuImage: { repository: 'registry.example/pggan/trainer-gpu', tag: '0.1.0-rc.1' },
  cluster: 'hospital, ward "3"',
  watchNamespaces: [research, radiology],
  pollSeconds: 60,
  logLevel: 'debug',
  allowed: { imagePrefixes: ['registry.example/pggan/'], serviceAccounts: ['trainer'] },
  serviceAccount: { name: 'grower', annotations: { 'example.com/role': 'grower' } },
  replicas: 3,
  resources: { requests: { cpu: 1 }, limits: { memory: '1Gi' } },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { a: 'b' } },
    },
  ],
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }],
  affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  priorityClassName: 'important',
  podLabels: { team: 'imaging' },
  podAnnotations: { note: 'true' },
  networkPolicy: {
    apiServer: { ports: [6443], to: [{ ipBlock: { cidr: '10.0.0.1/32' } }] },
    metricsFrom: [{ namespaceSelector: {} }],
    trainers: { namespaces: [research], metricsFrom: [PEER], storePorts: [9000], storeTo: [PEER] },
  },
  metrics: { service: { annotations: { note: 'scraped' } }, dashboards: { enabled: true, annotations: { grafana_folder: 'PGGAN' } } },
});

const VARIANTS: Readonly<Record<string, (research: string, radiology: string) => object>> = {
  'default values': () => ({}),
  'one namespace': (research) => ({ watchNamespaces: [research] }),
  'two namespaces': (research, radiology) => ({ watchNamespaces: [research, radiology] }),
  'everything set': everything,
  'images by digest': () => ({ image: { digest: DIGEST }, trainerImage: { digest: DIGEST } }),
  'no network policies': () => ({ networkPolicy: { enabled: false } }),
  'policies for trainers, and no store outside': (research) => ({
    networkPolicy: { trainers: { namespaces: [research], storePorts: [], metricsFrom: [] } },
  }),
  'nothing but the Deployment': () => ({
    crds: { install: false },
    rbac: { create: false, aggregate: false },
    serviceAccount: { create: false },
    podDisruptionBudget: { enabled: false },
    networkPolicy: { enabled: false },
    metrics: { service: { enabled: false } },
    topologySpreadConstraints: [],
    resources: {},
    replicas: 1,
  }),
  'a second release beside another': (research) => ({ watchNamespaces: [research], crds: { install: false }, rbac: { aggregate: false } }),
};

for (const [name, valuesOf] of Object.entries(VARIANTS))
  test(`a real API server takes what the chart renders, without a warning: ${name}`, async (t) => {
    const at = await scene(t);
    const [run, render] = [at && kubectl(t, at.plane), helm(t)];
    if (!at || !run || !render) return;
    const values = valuesOf(await freshNamespace(at.plane.admin), await freshNamespace(at.plane.admin));
    const rendered = await template(render, values, at.namespace);
    const { code, stderr } = await run(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], rendered);
    assert.deepEqual([code, stderr], [0, '']);
  });

test('helm lint --strict has nothing to say, whatever is set', async (t) => {
  const run = helm(t);
  if (!run) return;
  for (const valuesOf of Object.values(VARIANTS)) {
    const { code, stdout, stderr } = await run(
      ['lint', CHART, '--strict', '--values', '-'],
      JSON.stringify(valuesOf('research', 'radiology')),
    );
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stdout, /\[(WARNING|ERROR)\]/);
  }
});

test('a value that cannot be meant is refused with its name', async (t) => {
  const run = helm(t);
  if (!run) return;
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ replicas: 0 }, /at '\/replicas': minimum: got 0, want 1/],
    [{ replicas: 'two' }, /at '\/replicas': got string, want integer/],
    [{ image: { digest: 'latest' } }, /at '\/image\/digest': 'latest' does not match pattern/],
    [{ image: { tag: 'a tag' } }, /at '\/image\/tag': 'a tag' does not match pattern/],
    [{ logLevel: 'loud' }, /at '\/logLevel': value must be one of 'trace'/],
    [{ watchNamespaces: 'research' }, /at '\/watchNamespaces': got string, want array/],
    [{ watchNamespaces: ['Research'] }, /at '\/watchNamespaces\/0': 'Research' does not match pattern/],
    [{ watchNamespaces: ['research', 'research'] }, /at '\/watchNamespaces': items at 0 and 1 are equal/],
    [{ networkPolicy: { trainers: { storePorts: [0] } } }, /at '\/networkPolicy\/trainers\/storePorts\/0': minimum/],
    [{ replicaCount: 3 }, /at '': additional properties 'replicaCount' not allowed/],
    [{ allowed: { imagePrefixes: ['registry.example/pggan'] } }, /at '\/allowed\/imagePrefixes\/0': .* does not match pattern/],
    [{ metrics: { prometheusRule: { runbooks: 'docs/' } } }, /at '\/metrics\/prometheusRule\/runbooks': 'docs\/' does not match pattern/],
    [{ metrics: { service: { enabled: 'yes' } } }, /at '\/metrics\/service\/enabled': got string, want boolean/],
    [
      { metrics: { serviceMonitor: { enabled: true }, service: { enabled: false } } },
      /serviceMonitor.enabled needs metrics.service.enabled/,
    ],
  ];
  for (const [values, message] of refused) {
    const { code, stderr } = await run(['template', 'pggan-operator', CHART, '--values', '-'], JSON.stringify(values));
    assert.notEqual(code, 0, JSON.stringify(values));
    assert.match(stderr, message);
  }
});

test('images are named by digest or by tag, and what is quoted stays one argument', async (t) => {
  const run = helm(t);
  if (!run) return;
  const containerOf = async (values: object) => deploymentIn(await template(run, values)).spec.template.spec.containers[0];
  assert.equal((await containerOf({}))?.image, 'pggan-operator:0.1.0');
  assert.equal((await containerOf({ image: { digest: DIGEST, tag: 'x' } }))?.image, `pggan-operator@${DIGEST}`);
  assert.deepEqual((await containerOf(everything('research', 'radiology')))?.args, [
    `--trainer-image=registry.example/pggan/trainer@${DIGEST}`,
    '--trainer-gpu-image=registry.example/pggan/trainer-gpu:0.1.0-rc.1',
    '--cluster=hospital, ward "3"',
    '--lease=pggan-system/growth',
    '--namespace=research',
    '--namespace=radiology',
    '--poll-seconds=60',
    '--log-level=debug',
  ]);
});

test('monitors select what is there: the Service of the operator, and pods as the operator makes them', async (t) => {
  const run = helm(t);
  if (!run) return;
  const wanted = { enabled: true, labels: { release: 'prometheus' }, interval: '1m' };
  const objects = objectsIn(
    await template(run, { watchNamespaces: ['research'], metrics: { serviceMonitor: wanted, podMonitor: wanted } }),
  );
  const find = (kind: string) => objects.find((object) => object.kind === kind) ?? assert.fail(`no ${kind}`);
  const [service, ofService, ofPods] = [find('Service'), find('ServiceMonitor'), find('PodMonitor')];
  for (const { metadata } of [ofService, ofPods]) assert.equal(metadata.labels?.['release'], 'prometheus');
  const endpoint = { path: '/metrics', interval: '1m', honorLabels: true };

  assert.deepEqual(ofService.spec, { selector: { matchLabels: selectedOf(ofService) }, endpoints: [{ port: 'telemetry', ...endpoint }] });
  assert.partialDeepStrictEqual(service, { metadata: { labels: selectedOf(ofService) }, spec: { ports: [{ name: 'telemetry' }] } });

  const create = {
    kind: 'createJob',
    name: 'tiny-preflight',
    task: { kind: 'preflight' },
    queued: false,
    backoffLimit: 1,
    digest: 'd',
  } as const;
  const pod = trainingJob(trainingObject(), create, {}, CONFIG).spec?.template;
  assert.deepEqual(ofPods.spec, {
    namespaceSelector: { matchNames: ['research'] },
    selector: { matchLabels: selectedOf(ofPods) },
    podMetricsEndpoints: [{ port: 'http', ...endpoint }],
  });
  assert.partialDeepStrictEqual(pod?.metadata?.labels, selectedOf(ofPods));
  assert.deepEqual(
    pod?.spec?.containers[0]?.ports?.map(({ name }) => name),
    ['http'],
  );
});

test('helm test asks the Service whether an operator is ready: it waits for one, and fails with the last answer where none comes', async (t) => {
  const run = helm(t);
  if (!run) return;
  const metricsFrom = [{ namespaceSelector: {} }];
  const objects = objectsIn(await template(run, { networkPolicy: { metricsFrom } }));
  const find = (kind: string) => objects.find((object) => object.kind === kind) ?? assert.fail(`no ${kind}`);
  const [pod, service, policy] = [find('Pod') as TestPod, find('Service'), find('NetworkPolicy')];
  const [{ command, args } = assert.fail('no container')] = pod.spec.containers;
  const [script = '', url, seconds] = args;
  const { name } = service.metadata;
  assert.deepEqual([url, seconds], [`http://${name}.pggan-system.svc:8081/readyz`, '60']);

  // It is no operator, and may ask one.
  const { selector } = service.spec as { readonly selector: Readonly<Record<string, string>> };
  assert.notDeepEqual({ ...pod.metadata.labels, ...selector }, pod.metadata.labels);
  const asking = [...metricsFrom, { podSelector: { matchLabels: pod.metadata.labels } }];
  assert.partialDeepStrictEqual(policy.spec, { ingress: [{ from: asking }] });

  let asked = 0;
  const readyAt = (count: number) => {
    asked = 0;
    return createServer((_, response) => void response.writeHead(++asked < count ? 503 : 200).end('[+]synced\n')).listen(0, '127.0.0.1');
  };
  for (const { count, patience, code, says } of [
    { count: 3, patience: '60', code: 0, says: /: 200 \[\+\]synced\n$/ },
    { count: 2, patience: '0', code: 1, says: /is not ready after 0 s: 503 / },
  ]) {
    const server = readyAt(count);
    t.after(() => server.close());
    await once(server, 'listening');
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz`;
    assert.equal(command[0], '/usr/bin/node');
    const ended = await commandOf(process.execPath, command.slice(1))([script, address, patience]);
    assert.deepEqual([ended.code, asked], [code, code === 0 ? count : 1]);
    assert.match(ended.stdout + ended.stderr, says);
  }
});

test('alerts come as they were tested, each with a link to its runbook where those are served; boards as they are in the chart', async (t) => {
  const run = helm(t);
  if (!run) return;
  const labels = { release: 'prometheus' };
  const rule = { enabled: true, labels, runbooks: 'https://wiki.example/runbooks' };
  const objects = objectsIn(await template(run, { metrics: { prometheusRule: rule, dashboards: { enabled: true } } }));
  const rules = objects.find(({ kind }) => kind === 'PrometheusRule') ?? assert.fail('no PrometheusRule');
  assert.equal(rules.metadata.labels?.['release'], 'prometheus');
  const tested = parse(readFileSync(join(CHART, 'alerts.yaml'), 'utf8')) as Rules;
  const linked = tested.groups.map((group) => ({
    ...group,
    rules: group.rules.map((alert) => ({
      ...alert,
      annotations: { ...alert.annotations, runbook_url: `https://wiki.example/runbooks/${alert.alert}.md` },
    })),
  }));
  assert.deepEqual(rules.spec, { groups: linked });
  const [withoutLinks] = objectsIn(await template(run, { metrics: { prometheusRule: { enabled: true } } })).filter(
    ({ kind }) => kind === 'PrometheusRule',
  );
  assert.deepEqual(withoutLinks?.spec, tested);

  const boards = objects.filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.labels?.['grafana_dashboard'] === '1');
  assert.deepEqual(
    boards.map(({ data }) => data),
    ['pggan-fleet.json', 'pggan-training.json'].map((file) => ({ [file]: readFileSync(join(CHART, 'dashboards', file), 'utf8') })),
  );
});

/** What `kubectl apply` meets first: the chart leaves its namespace to `helm install --create-namespace`. */
const INSTALL_HEAD = `# The operator with its custom resources: kubectl apply --server-side -f manifests/install.yaml
# What the chart renders with default values (PGGAN_WRITE_MANIFESTS=1 node --test test/chart.test.ts writes it again). Do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: pggan-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
`;

test('manifests/install.yaml is what the chart renders with default values', async (t) => {
  const run = helm(t);
  if (!run) return;
  // Applied by hand, the pod of `helm test` would run at once.
  const expected = `${INSTALL_HEAD}${await template(run, {}, 'pggan-system', '--skip-tests')}`;
  const file = join(MANIFESTS, 'install.yaml');
  if (process.env['PGGAN_WRITE_MANIFESTS'] === '1') writeFileSync(file, expected);
  assert.equal(readFileSync(file, 'utf8'), expected);
});

for (const page of ['docs/install.md', 'helm/pggan-operator/README.md'])
  test(`with the command of ${page} the manifests name both images in a registry, and differ in nothing else`, async () => {
    const file = join(MANIFESTS, 'install.yaml');
    const [, script = ''] = /^sed -E '(.*)' manifests\/install\.yaml \|/m.exec(readFileSync(join(MANIFESTS, '..', page), 'utf8')) ?? [];
    const edited = (await done(commandOf('sed'), ['-E', script, file])).split('\n');
    const before = readFileSync(file, 'utf8').split('\n');
    assert.deepEqual(
      edited.filter((line, index) => line !== before[index]).map((line) => line.trim()),
      ['image: "REGISTRY/pggan-operator:0.1.0"', '- "--trainer-image=REGISTRY/pggan-trainer:0.1.0"'],
    );
    assert.equal(edited.length, before.length);
  });

test('manifests/trainer-network.yaml is the policy that the chart gives the trainers of a namespace', async (t) => {
  const run = helm(t);
  if (!run) return;
  const rendered = await template(run, { networkPolicy: { trainers: { namespaces: ['research'] } } });
  const ofChart = objectsIn(rendered).find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.namespace === 'research');
  const byHand = parse(readFileSync(join(MANIFESTS, 'trainer-network.yaml'), 'utf8')) as Rendered;
  assert.deepEqual(withoutInstance(byHand.spec), withoutInstance(ofChart?.spec));
});

type Rules = {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly annotations: Readonly<Record<string, string>> }[];
  }[];
};

/** Labels by which a monitor selects. */
function selectedOf({ spec }: Rendered): Readonly<Record<string, string>> {
  return (spec as { readonly selector: { readonly matchLabels: Record<string, string> } }).selector.matchLabels;
}

type TestPod = {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly containers: readonly { readonly command: readonly string[]; readonly args: readonly string[] }[] };
};

type Deployment = {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly image: string; readonly args: readonly string[] }[] } };
  };
};

function deploymentIn(rendered: string): Deployment {
  return objectsIn(rendered).find(({ kind }) => kind === 'Deployment') as unknown as Deployment;
}

/** A manifest that is applied by hand knows no release's name. */
function withoutInstance(spec: object | undefined): unknown {
  return JSON.parse(JSON.stringify(spec), (key, value: unknown) => (key === 'app.kubernetes.io/instance' ? undefined : value));
}
