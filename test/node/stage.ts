/** What a person has before the first step: a cluster with a node, a MinIO behind TLS outside of it, and real radiographs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { image } from '../harness/images.ts';
import { type NodeCluster, serviceOf, startNodeCluster } from '../harness/node-cluster.ts';
import { type ObjectStore, type ObjectStoreOptions, startObjectStore } from '../harness/object-store.ts';
import { shared } from '../harness/shared.ts';
import { createWorkspace, type Workspace } from '../harness/tiny-training.ts';

export const NAMESPACE = 'default';

/** How trainings of the tests reach the store. */
export const STORE = {
  endpoint: 'https://minio.minio.svc:9000',
  credentialsSecretRef: { name: 'pggan-store' },
  caConfigMapRef: { name: 'minio-ca' },
};

export type Stage = {
  readonly cluster: NodeCluster;
  readonly server: ObjectStore;
  readonly workspace: Workspace;
  /** A folder of PNG and JPEG files. */
  readonly radiographs: string;
  /** Its output. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
};

/** Ended after the test. Where this machine lacks something the test is skipped with the reason; with CI=true that is a failure. */
export async function startStage(t: TestContext, options: ObjectStoreOptions = {}): Promise<Stage | undefined> {
  const radiographs = shared(t, 'data/pneumonia-cxr/test/NORMAL');
  const [operator, trainer] = [image(t, 'pggan-operator'), image(t, 'pggan-trainer')];
  const cluster = radiographs !== undefined && operator && trainer && (await startNodeCluster(t, [operator, trainer]));
  if (!cluster) return undefined;
  const host = cluster.network.hostAddress;
  const server = await startObjectStore(t, 'minio', { tls: `IP:${host},DNS:minio.minio.svc`, host, ...options });
  if (!server) return undefined;
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  // For the stores that a test itself looks into.
  Object.assign(process.env, server.env);

  const kubectl: Stage['kubectl'] = async (...args) => {
    const { code, stdout, stderr } = await cluster.run(args);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  return { cluster, server, workspace, radiographs, kubectl };
}

/** The store as pods see it. */
export async function prepareStore({ cluster, server }: Stage): Promise<void> {
  const ports = [{ name: 'https', port: 9000, targetPort: server.port, protocol: 'TCP' }] as const;
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'minio' } },
    ...serviceOf({ name: 'minio', namespace: 'minio' }, cluster.network.hostAddress, ports),
  );
}

export const authorityOf = ({ env }: ObjectStore): string => readFileSync(env['PGGAN_STORE_CA'] ?? assert.fail('no TLS'), 'utf8');

export const configMap = (name: string, data: Readonly<Record<string, string>>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: NAMESPACE },
  data,
});

/** Where the dataset of a test is made, before it is uploaded. */
export const datasetOf = ({ folder }: Workspace): string => join(folder, 'chests');

export const secret = (name: string, accessKey: string, secretKey: string): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: NAMESPACE },
  stringData: { accessKey, secretKey },
});

/** Of a small network, ended by its tests before it can learn much. */
export const trainingOf = (name: string, spec: object): object => ({
  apiVersion: 'pggan.dev/v1alpha1',
  kind: 'PGGANTraining',
  metadata: { name, namespace: NAMESPACE },
  spec: { network: { channels: 1, fmapBase: 64, fmapMax: 16, latentSize: 16 }, threads: 1, seed: 1000, ...spec },
});
