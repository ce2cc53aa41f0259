/** What a person has before the first step: a cluster with a node, a MinIO behind TLS outside of it, and a dataset of real radiographs in a bucket. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CHART, helm } from '../harness/helm.ts';
import { image } from '../harness/images.ts';
import { type NodeCluster, serviceOf, startNodeCluster } from '../harness/node-cluster.ts';
import { type ObjectStore, startObjectStore } from '../harness/object-store.ts';
import { pggan, succeeded } from '../harness/pggan.ts';
import { shared } from '../harness/shared.ts';
import { createWorkspace, type Workspace } from '../harness/tiny-training.ts';

export const NAMESPACE = 'research';
export const RESOLUTION = 16;

/** How trainings of the tests reach the store. */
export const STORE = {
  endpoint: 'https://minio.minio.svc:9000',
  credentialsSecretRef: { name: 'pggan-store' },
  caConfigMapRef: { name: 'minio-ca' },
};
export const PLACES = { dataset: { uri: 's3://pggan/datasets/chests' }, output: { uri: 's3://pggan/runs' }, store: STORE };

export type Stage = {
  readonly cluster: NodeCluster;
  readonly server: ObjectStore;
  readonly workspace: Workspace;
  /** Of the machine that made it. */
  readonly dataset: string;
  /** Its output. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  /** `helm install` or `helm upgrade`; returns when the operator is ready. */
  readonly release: (command: 'install' | 'upgrade', ...args: readonly string[]) => Promise<void>;
};

/** Ended after the test. Where this machine lacks something the test is skipped with the reason; with CI=true that is a failure. */
export async function startStage(t: TestContext): Promise<Stage | undefined> {
  const radiographs = shared(t, 'data/pneumonia-cxr/test/NORMAL');
  const [operator, trainer] = [image(t, 'pggan-operator'), image(t, 'pggan-trainer')];
  const cluster = radiographs !== undefined && operator && trainer && (await startNodeCluster(t, [operator, trainer]));
  if (!cluster) return undefined;
  const host = cluster.network.hostAddress;
  const server = await startObjectStore(t, 'minio', { tls: `IP:${host},DNS:minio.minio.svc`, host });
  const run = helm(t, cluster.plane.kubeconfig);
  if (!server || !run) return undefined;
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  const dataset = join(workspace.folder, 'chests');
  await succeeded(pggan(t, ['dataset', 'create-from-images', dataset, radiographs, '--resize', String(RESOLUTION), '--grayscale']));
  await succeeded(pggan(t, ['dataset', 'upload', dataset, `s3://${server.bucket}/datasets/chests`], { env: server.env }));
  // For the stores that a test itself looks into.
  Object.assign(process.env, server.env);

  const kubectl: Stage['kubectl'] = async (...args) => {
    const { code, stdout, stderr } = await cluster.run(args);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const release: Stage['release'] = async (command, ...args) => {
    const { code, stderr } = await run([command, 'pggan-operator', CHART, '--namespace', 'pggan-system', ...VALUES, ...args]);
    assert.equal(code, 0, stderr);
    await kubectl('-n', 'pggan-system', 'rollout', 'status', 'deployment/pggan-operator', '--timeout=300s');
  };
  return { cluster, server, workspace, dataset, kubectl, release };
}

const VALUES = Object.entries({
  'image.repository': 'localhost/pggan-operator',
  'trainerImage.repository': 'localhost/pggan-trainer',
  pollSeconds: 1,
  'networkPolicy.trainers.namespaces': `{${NAMESPACE}}`,
}).flatMap(([name, value]) => ['--set', `${name}=${value}`]);

/** The namespaces of operator and trainings, both at the strictest level of pod security, and what a training of the second needs to reach the store. */
export async function prepareNamespaces({ cluster, server }: Stage): Promise<void> {
  const { accessKey, secretKey } = server.credentials;
  const ports = [{ name: 'https', port: 9000, targetPort: server.port, protocol: 'TCP' }] as const;
  await cluster.apply(restricted('pggan-system'), restricted(NAMESPACE), {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'minio' },
  });
  await cluster.apply(
    ...serviceOf({ name: 'minio', namespace: 'minio' }, cluster.network.hostAddress, ports),
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pggan-store', namespace: NAMESPACE }, stringData: { accessKey, secretKey } },
    configMap('minio-ca', { 'ca.crt': authorityOf(server) }),
  );
}

export const authorityOf = ({ env }: ObjectStore): string => readFileSync(env['PGGAN_STORE_CA'] ?? assert.fail('no TLS'), 'utf8');

export const configMap = (name: string, data: Readonly<Record<string, string>>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: NAMESPACE },
  data,
});

function restricted(name: string): object {
  const labels = Object.fromEntries(['enforce', 'warn', 'audit'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']));
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** Of a small network, ended by its tests before it can learn much. */
export const trainingOf = (name: string, spec: object): object => ({
  apiVersion: 'pggan.dev/v1alpha1',
  kind: 'PGGANTraining',
  metadata: { name, namespace: NAMESPACE },
  spec: { network: { channels: 1, fmapBase: 64, fmapMax: 16, latentSize: 16 }, threads: 1, seed: 1000, ...spec },
});
