/** The kubelet and kube-proxy of a node, in its network, with a control group of their own for all its pods. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerEngine } from './container-engine.ts';
import { makeControlGroups } from './control-groups.ts';
import type { ControlPlane } from './control-plane.ts';
import type { NodeNetwork } from './node-network.ts';
import { type ServerProcess, startServer } from './server-process.ts';

export const NODE_NAME = 'node-1';
/** Of the Service by which pods ask for names. */
export const DNS_ADDRESS = '10.96.0.10';

type Parts = {
  readonly plane: ControlPlane;
  readonly network: NodeNetwork;
  readonly folder: string;
  readonly binaries: { readonly kubelet: string; readonly 'kube-proxy': string };
};

/** @param controlGroup its name below /sys/fs/cgroup */
export function startKubelet(
  { plane, network, folder, binaries }: Parts,
  { socket }: ContainerEngine,
  controlGroup: string,
): ServerProcess {
  makeControlGroups(controlGroup);
  const { authority } = plane;
  const { certFile, keyFile } = authority.server(NODE_NAME, [`IP:${network.nodeAddress}`, `DNS:${NODE_NAME}`]);
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: network.nodeAddress,
    containerRuntimeEndpoint: `unix://${socket}`,
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${controlGroup}`,
    failSwapOn: false,
    oomScoreAdj: 0,
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: 'cluster.local',
    resolvConf: '',
    healthzPort: 0,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: authority.caFile } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: certFile,
    tlsPrivateKeyFile: keyFile,
    nodeStatusUpdateFrequency: '2s',
    // Renewed four times in that.
    nodeLeaseDurationSeconds: 8,
    syncFrequency: '5s',
    // A machine that tests share is not emptied for them.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    makeIPTablesUtilChains: false,
    shutdownGracePeriod: '0s',
  };
  const file = join(folder, 'kubelet.json');
  writeFileSync(file, JSON.stringify(config));
  return startServer(
    ...inside(network, binaries.kubelet, [
      `--config=${file}`,
      `--kubeconfig=${plane.kubeconfigOf({ user: `system:node:${NODE_NAME}`, groups: ['system:nodes'] })}`,
      `--root-dir=${join(folder, 'kubelet')}`,
      `--cert-dir=${join(folder, 'kubelet-certificates')}`,
      `--hostname-override=${NODE_NAME}`,
      `--node-ip=${network.nodeAddress}`,
    ]),
    join(folder, 'kubelet.log'),
  );
}

/** Makes Services reachable for pods. */
export function startProxy({ plane, network, folder, binaries }: Parts): ServerProcess {
  const kubeconfig = plane.kubeconfigOf({ user: 'system:kube-proxy', groups: [] });
  const config = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig },
    mode: 'iptables',
    clusterCIDR: network.podRange,
    hostnameOverride: NODE_NAME,
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
  const file = join(folder, 'kube-proxy.json');
  writeFileSync(file, JSON.stringify(config));
  return startServer(...inside(network, binaries['kube-proxy'], [`--config=${file}`]), join(folder, 'kube-proxy.log'));
}

function inside(network: NodeNetwork, program: string, args: readonly string[]): [string, readonly string[]] {
  const [first, ...rest] = network.within(program, ...args);
  return [first, rest];
}
