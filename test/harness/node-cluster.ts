/** A whole cluster on this machine: control plane, controllers, and one real node with containers, a network, Services and names. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import { binary } from './binaries.ts';
import type { Command } from './command.ts';
import { type ContainerEngine, startContainerEngine } from './container-engine.ts';
import { removeControlGroups } from './control-groups.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { startControllers } from './controllers.ts';
import { type Image, image } from './images.ts';
import { kubectl } from './kubectl.ts';
import { DNS_ADDRESS, NODE_NAME, startKubelet, startProxy } from './kubelet.ts';
import { until } from './kube.ts';
import { lacking } from './lacking.ts';
import { createNodeNetwork, type NodeNetwork } from './node-network.ts';
import { type ServerProcess, startServer } from './server-process.ts';

export type NodeCluster = {
  readonly plane: ControlPlane;
  readonly network: NodeNetwork;
  readonly engine: ContainerEngine;
  readonly kubelet: ServerProcess;
  readonly run: Command;
  /** kubectl apply; its words where it fails. */
  readonly apply: (...objects: readonly object[]) => Promise<void>;
};

const NAMES = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'coredns'] as const;

/** Stopped after the test. Where this machine lacks something the test is skipped with the reason; with CI=true that is a failure. */
export async function startNodeCluster(t: TestContext, images: readonly Image[]): Promise<NodeCluster | undefined> {
  if (process.getuid?.() !== 0) return lacking(t, 'a node takes root: namespaces, mounts and control groups');
  const paths = Object.fromEntries(NAMES.map((name) => [name, binary(t, name)]));
  const pause = image(t, 'pggan-test-pause');
  if (Object.values(paths).includes(undefined) || !pause) return undefined;
  const binaries = paths as Readonly<Record<(typeof NAMES)[number], string>>;

  const folder = mkdtempSync(join(tmpdir(), 'pggan-node-'));
  // By a name that processes in other sandboxes do not have.
  const group = basename(folder);
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })];
  t.after(async () => {
    for (const step of undo.toReversed()) await step();
  });
  const network = createNodeNetwork();
  undo.push(() => network.remove());
  const plane = await startControlPlane({ etcd: binaries.etcd, apiServer: binaries['kube-apiserver'] }, { address: network.hostAddress });
  undo.push(() => plane.stop());
  const run = kubectl(t, plane);
  if (!run) return undefined;
  const servers = [...startControllers(plane, binaries)];
  undo.push(() => Promise.all(servers.map((server) => server.kill())));
  const parts = { plane, network, folder, binaries };
  const engine = await startContainerEngine(folder, network, pause.name);
  undo.push(
    () => removeControlGroups(group),
    () => engine.stop(),
  );
  for (const { archive } of [pause, ...images]) await engine.importImages(archive);
  const kubelet = startKubelet(parts, engine, group);
  // First of all: it would start containers again.
  undo.push(() => kubelet.kill());
  servers.push(startProxy(parts), startDns(parts));
  const apply = applier(run);
  await apply(...NAME_SERVICE(network));
  await apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'kube-proxy' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-proxier' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'system:kube-proxy' }],
  });
  await ready({ run, kubelet });
  return { plane, network, engine, kubelet, run, apply };
}

/** Returns when the node says that it takes pods. */
export async function ready({ run, kubelet }: Pick<NodeCluster, 'run' | 'kubelet'>): Promise<void> {
  await until(async () => {
    if (!kubelet.running()) throw new Error(`the kubelet has ended: ${kubelet.output()}`);
    return (await nodeCondition(run)) === 'True';
  });
}

/** Of the node, Ready: True, False, Unknown, or nothing before it has registered. */
export async function nodeCondition(run: Command): Promise<string> {
  const { stdout } = await run([
    'get',
    'node',
    NODE_NAME,
    '--ignore-not-found',
    '-o',
    'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
  ]);
  return stdout;
}

function applier(run: Command): NodeCluster['apply'] {
  return async (...objects) => {
    const { code, stderr } = await run(['apply', '-f', '-'], objects.map((object) => JSON.stringify(object)).join('\n---\n'));
    if (code !== 0) throw new Error(stderr);
  };
}

type Parts = {
  readonly plane: ControlPlane;
  readonly network: NodeNetwork;
  readonly folder: string;
  readonly binaries: { readonly coredns: string };
};

/** CoreDNS, in the network of the node. There is nobody whom it could ask for names of the world: it says that there are none. */
function startDns({ plane, network, folder, binaries }: Parts): ServerProcess {
  mkdirSync(join(folder, 'coredns'));
  const file = join(folder, 'coredns/Corefile');
  const config = `cluster.local:53 in-addr.arpa:53 {
  bind ${network.nodeAddress}
  errors
  kubernetes {
    kubeconfig ${plane.kubeconfig} test
  }
}
.:53 {
  bind ${network.nodeAddress}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
  writeFileSync(file, config);
  const [program, ...args] = network.within(binaries.coredns, '-conf', file);
  return startServer(program, args, join(folder, 'coredns.log'));
}

const NAME_SERVICE = ({ nodeAddress }: NodeNetwork): readonly object[] =>
  serviceOf(
    { name: 'kube-dns', namespace: 'kube-system' },
    nodeAddress,
    [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
    DNS_ADDRESS,
  );

type Port = { readonly name: string; readonly port: number; readonly targetPort?: number; readonly protocol: 'TCP' | 'UDP' };

/** A Service without pods, whose one end is a server outside of the cluster. */
export function serviceOf(
  metadata: { readonly name: string; readonly namespace: string },
  address: string,
  ports: readonly Port[],
  clusterIP?: string,
): readonly object[] {
  const { name } = metadata;
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports, ...(clusterIP !== undefined && { clusterIP }) } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: ports.map(({ targetPort, port, ...named }) => ({ ...named, port: targetPort ?? port })),
      endpoints: [{ addresses: [address] }],
    },
  ];
}
