/**
 * A control plane whose Jobs get pods: the real kube-controller-manager and kube-scheduler, and kwok for nodes with GPUs. No process runs in a
 * pod: what pods do is told by kwok-stages.ts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { binary } from './binaries.ts';
import { type ControlPlane, type ControlPlaneOptions, type ServerBinaries, startControlPlane } from './control-plane.ts';
import { type PodTales, kwokConfiguration } from './kwok-stages.ts';
import { flags, type ServerProcess, startServer } from './server-process.ts';

export type ClusterOptions = ControlPlaneOptions & {
  readonly nodes: number;
  readonly tales: PodTales;
};

export type ClusterBinaries = ServerBinaries & {
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly kwok: string;
};

/** As a test finds them; undefined where one is absent (the test is skipped, with CI=true it fails). */
export function clusterBinaries(t: Pick<TestContext, 'skip'>): ClusterBinaries | undefined {
  const [etcd, apiServer] = [binary(t, 'etcd'), binary(t, 'kube-apiserver')];
  const [controllerManager, scheduler, kwok] = [binary(t, 'kube-controller-manager'), binary(t, 'kube-scheduler'), binary(t, 'kwok')];
  const all = etcd && apiServer && controllerManager && scheduler && kwok;
  return all ? { etcd, apiServer, controllerManager, scheduler, kwok } : undefined;
}

/** Starts it and returns once pods could be placed. */
export async function startCluster(binaries: ClusterBinaries, { nodes, tales, ...options }: ClusterOptions): Promise<ControlPlane> {
  const plane = await startControlPlane(binaries, options);
  const components = startComponents(binaries, plane, tales);
  const stop = async (): Promise<void> => {
    for (const component of components) await component.kill();
    await plane.stop();
  };
  try {
    for (let index = 1; index <= nodes; index += 1) await createNode(plane, index);
    while (!(await ready(plane, nodes))) {
      const dead = components.find((component) => !component.running());
      if (dead) throw new Error(`${dead.name} ended before the cluster was ready: ${dead.output()}`);
      await setTimeout(50);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...plane, processes: [...plane.processes, ...components], stop };
}

function startComponents(binaries: ClusterBinaries, plane: ControlPlane, tales: PodTales): readonly ServerProcess[] {
  const { folder } = plane;
  const start = (program: string, name: string, values: Parameters<typeof flags>[0]): ServerProcess =>
    startServer(program, flags(values), join(folder, `${name}.log`));
  return [
    start(binaries.controllerManager, 'kube-controller-manager', managerFlags(plane)),
    start(binaries.scheduler, 'kube-scheduler', {
      config: schedulerConfiguration(folder, plane.kubeconfigOf({ user: 'system:kube-scheduler', groups: [] })),
      'secure-port': 0,
    }),
    start(binaries.kwok, 'kwok', {
      kubeconfig: plane.kubeconfigOf({ user: 'kwok', groups: ['system:masters'] }),
      config: kwokFile(folder, tales),
      'manage-all-nodes': true,
      'node-ip': '127.0.0.1',
      cidr: '127.200.0.0/16',
      'node-lease-duration-seconds': 200,
    }),
  ];
}

/** What a fleet needs of it; all others would only watch. */
const CONTROLLERS = [
  'job-controller',
  'garbage-collector-controller',
  'ttl-after-finished-controller',
  'namespace-controller',
  'node-lifecycle-controller',
  'taint-eviction-controller',
  'serviceaccount-controller',
];

/** Its usual 20 requests per second are for clusters with other things to do. */
const RATE = { 'kube-api-qps': 500, 'kube-api-burst': 1000 };

function managerFlags(plane: ControlPlane): Parameters<typeof flags>[0] {
  return {
    kubeconfig: plane.kubeconfigOf({ user: 'system:kube-controller-manager', groups: [] }),
    controllers: CONTROLLERS.join(),
    'service-account-private-key-file': plane.authority.serviceAccountKeyFile,
    'root-ca-file': plane.authority.caFile,
    // Each controller is a user of its own, by which the audit log tells them apart.
    'use-service-account-credentials': true,
    'leader-elect': false,
    'secure-port': 0,
    'concurrent-job-syncs': 20,
    // The fake nodes' leases are renewed seldom.
    'node-monitor-grace-period': '200s',
    ...RATE,
  };
}

function schedulerConfiguration(folder: string, kubeconfig: string): string {
  const path = join(folder, 'kube-scheduler.json');
  const configuration = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    clientConnection: { kubeconfig, qps: RATE['kube-api-qps'], burst: RATE['kube-api-burst'] },
    leaderElection: { leaderElect: false },
  };
  writeFileSync(path, JSON.stringify(configuration));
  return path;
}

function kwokFile(folder: string, tales: PodTales): string {
  const path = join(folder, 'kwok.yaml');
  writeFileSync(path, kwokConfiguration(tales));
  return path;
}

export const GPUS_PER_NODE = 8;

async function createNode({ admin }: ControlPlane, index: number): Promise<void> {
  const resources = { cpu: '96', memory: '1Ti', pods: '250', 'nvidia.com/gpu': String(GPUS_PER_NODE) };
  const name = `gpu-node-${index}`;
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    status: { capacity: resources, allocatable: resources },
  };
  const { status, body } = await admin.send('POST', '/api/v1/nodes', node);
  if (status !== 201) throw new Error(`no node: ${JSON.stringify(body)}`);
}

/** All nodes are ready, and namespaces get their service account. */
async function ready({ admin }: ControlPlane, nodes: number): Promise<boolean> {
  const { body } = await admin.send('GET', '/api/v1/nodes');
  const { items = [] } = body as { readonly items?: readonly Node[] };
  const usable = items.filter(
    ({ spec, status }) => !spec.taints && status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
  );
  if (usable.length < nodes) return false;
  return (await admin.send('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status === 200;
}

type Node = {
  readonly spec: { readonly taints?: readonly unknown[] };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};
