/**
 * The real Kueue beside a control plane, as a process: its kinds, and its webhooks, which are called at its port because there is no Service here.
 * It stands in the way of every Job from then on, whether it runs or not.
 */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { ApiClient } from './api-client.ts';
import { binary } from './binaries.ts';
import { type ControlPlane, freePorts } from './control-plane.ts';
import { until } from './kube.ts';
import { type ServerProcess, startServer } from './server-process.ts';

export type KueueBinaries = { readonly kueue: string; readonly manifests: string };

/** As a test finds them; undefined where one is absent (the test is skipped, with CI=true it fails). */
export function kueueBinaries(t: Pick<TestContext, 'skip'>): KueueBinaries | undefined {
  const [kueue, manifests] = [binary(t, 'kueue'), binary(t, 'kueue.yaml')];
  return kueue && manifests ? { kueue, manifests } : undefined;
}

const NAMESPACE = 'kueue-system';
/** Names that its configuration would give, and its certificates are made for. */
const NAMES = { prefix: 'kueue-', secret: 'kueue-webhook-server-cert', service: 'kueue-webhook-service' };

/** Starts it and returns once its webhooks answer. It ends with its control plane's test. */
export async function startKueue(t: TestContext, plane: ControlPlane, { kueue, manifests }: KueueBinaries): Promise<ServerProcess> {
  const folder = join(plane.folder, 'kueue');
  const certificates = makeCertificates(folder);
  const [webhookPort = 0, healthPort = 0] = await freePorts(2);
  const created = async (path: string, object: object): Promise<void> => {
    let { status, body } = await plane.admin.send('POST', path, object);
    // A busy machine takes longer over kinds of this size than a request may; what was made all the same is there the next time.
    while (status === 504) ({ status, body } = await plane.admin.send('POST', path, object));
    if (status !== 201 && status !== 409) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  };
  await created('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const stringData = Object.fromEntries(Object.entries(certificates).map(([name, file]) => [name, readFileSync(file, 'utf8')]));
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: NAMES.secret }, stringData };
  await created(`/api/v1/namespaces/${NAMESPACE}/secrets`, secret);
  const call = callAt(webhookPort, readFileSync(certificates['ca.crt'], 'utf8'));
  const documents = parseAllDocuments(readFileSync(manifests, 'utf8')).map((document) => document.toJS() as Manifest | null);
  // Some files begin with a line that ends nothing.
  const objects = documents.filter((object) => object !== null);
  for (const object of objects) await created(COLLECTIONS[object.kind] ?? '', reachable(object, call));
  await established(plane.admin, objects);

  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify(configuration(folder, webhookPort, healthPort)));
  const kubeconfig = plane.kubeconfigOf({ user: 'kueue', groups: ['system:masters'] });
  const server = startServer('env', [`KUBECONFIG=${kubeconfig}`, kueue, `--config=${config}`], join(plane.folder, 'kueue.log'));
  t.after(() => server.kill());
  await until(async () => {
    if (!server.running()) throw new Error(`Kueue ended before it was ready: ${server.output()}`);
    const answer = await fetch(`http://127.0.0.1:${healthPort}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  });
  return server;
}

function configuration(certDir: string, webhookPort: number, healthPort: number): object {
  return {
    apiVersion: 'config.kueue.x-k8s.io/v1beta2',
    kind: 'Configuration',
    namespace: NAMESPACE,
    health: { healthProbeBindAddress: `127.0.0.1:${healthPort}` },
    metrics: { bindAddress: '0' },
    webhook: { host: '127.0.0.1', port: webhookPort, certDir },
    leaderElection: { leaderElect: false },
    // It finds the Secret and the files that a kubelet would have mounted, and tells its webhooks whom to trust.
    internalCertManagement: { enable: true, webhookServiceName: NAMES.service, webhookSecretName: NAMES.secret },
    integrations: { frameworks: ['batch/job'] },
    clientConnection: { qps: 200, burst: 400 },
    // A server of its own, behind the API server's aggregation.
    featureGates: { VisibilityOnDemand: false },
  };
}

type Call = (path: string) => object;
type Webhook = {
  readonly clientConfig: { readonly service: { readonly path: string } };
  readonly rules: readonly { readonly apiGroups: readonly string[] }[];
};
type Manifest = {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: object;
  readonly webhooks?: readonly Webhook[];
};

const COLLECTIONS: Readonly<Record<string, string>> = {
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  MutatingWebhookConfiguration: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  ValidatingWebhookConfiguration: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
};

const callAt =
  (port: number, ca: string): Call =>
  (path) => ({ url: `https://127.0.0.1:${port}${path}`, caBundle: Buffer.from(ca).toString('base64') });

/** Kinds of two versions, which Kueue converts. */
const CONVERTED = ['clusterqueues', 'cohorts', 'localqueues', 'multikueueclusters', 'workloads'].map(
  (plural) => `${plural}.kueue.x-k8s.io`,
);

/** As its own kustomization makes of it, but for how the API server calls it; of its webhooks those for Jobs and its own kinds. */
function reachable(object: Manifest, call: Call): object {
  const { kind, metadata, spec, webhooks } = object;
  if (kind === 'CustomResourceDefinition') {
    if (!CONVERTED.includes(metadata.name)) return object;
    const webhook = { clientConfig: call('/convert'), conversionReviewVersions: ['v1'] };
    return { ...object, spec: { ...spec, conversion: { strategy: 'Webhook', webhook } } };
  }
  const ours = (webhooks ?? []).filter(({ rules }) => rules.every(({ apiGroups }) => apiGroups.every((group) => GROUPS.has(group))));
  return {
    ...object,
    metadata: { name: NAMES.prefix + metadata.name },
    webhooks: ours.map((webhook) => ({ ...webhook, clientConfig: call(webhook.clientConfig.service.path) })),
  };
}

const GROUPS = new Set(['batch', 'kueue.x-k8s.io']);

async function established(admin: ApiClient, objects: readonly Manifest[]): Promise<void> {
  for (const { kind, metadata } of objects.filter((object) => object.kind === 'CustomResourceDefinition'))
    await until(async () => {
      const { body } = await admin.send('GET', `${COLLECTIONS[kind]}/${metadata.name}`);
      const { status } = body as {
        readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
      };
      return status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True') ?? false;
    });
}

/** Good for longer than the three months before their end in which Kueue makes new ones. Its authority's key is one that it can read. */
function makeCertificates(folder: string): Readonly<Record<'ca.crt' | 'ca.key' | 'tls.crt' | 'tls.key', string>> {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  writeFileSync(at('ca.key'), privateKey, { mode: 0o600 });
  const signing = ['keyUsage=critical,keyCertSign,digitalSignature', 'subjectAltName=DNS:kueue-ca'];
  openssl('/O=kueue/CN=kueue-ca', ['-key', at('ca.key'), '-out', at('ca.crt')], signing);
  const server = [
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    at('tls.key'),
    '-out',
    at('tls.crt'),
    '-CA',
    at('ca.crt'),
    '-CAkey',
    at('ca.key'),
  ];
  const host = `${NAMES.service}.${NAMESPACE}.svc`;
  const serving = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=serverAuth', `subjectAltName=DNS:${host},IP:127.0.0.1`];
  openssl(`/CN=${host}`, server, serving);
  return { 'ca.crt': at('ca.crt'), 'ca.key': at('ca.key'), 'tls.crt': at('tls.crt'), 'tls.key': at('tls.key') };
}

function openssl(subject: string, args: readonly string[], extensions: readonly string[]): void {
  const more = extensions.flatMap((extension) => ['-addext', extension]);
  execFileSync('openssl', ['req', '-x509', '-days', '365', '-sha256', '-subj', subject, ...args, ...more], { stdio: 'pipe' });
}
