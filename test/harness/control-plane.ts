/**
 * A real etcd and kube-apiserver on ports of their own, with RBAC, an audit log and nothing else: no controller runs, no node is there
 * (cluster.ts and node-cluster.ts add them). The API server listens on a loopback address, unless nodes are to reach it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type ApiClient, createApiClient } from './api-client.ts';
import { type Authority, type Certificate, createAuthority, type Identity } from './pki.ts';
import { flags, type ServerProcess, startServer } from './server-process.ts';

export type ControlPlane = {
  readonly url: string;
  /** Without TLS and keys: etcd's own HTTP gateway, for what no API server offers, such as forgetting the past. */
  readonly etcdUrl: string;
  /** Holds its keys, logs and data; other components of a cluster may put theirs there. */
  readonly folder: string;
  readonly authority: Authority;
  /** The kubeconfig file of a member of system:masters, and a client of the same rights. */
  readonly kubeconfig: string;
  readonly admin: ApiClient;
  /** Audit events (audit.k8s.io/v1) as JSON lines; each is written before its request is answered. */
  readonly auditLog: string;
  /** Writes the kubeconfig of a user and returns its path. Without roles that are bound to it a user may do next to nothing. */
  kubeconfigOf(identity: Identity): string;
  readonly processes: readonly ServerProcess[];
  stop(): Promise<void>;
};

export type ServerBinaries = { readonly etcd: string; readonly apiServer: string };

export type ControlPlaneOptions = {
  /** What the audit log tells of, and at which level: rules of an audit policy. Without them it tells the metadata of every request. */
  readonly auditRules?: readonly object[];
  /** Of this machine, on which the API server listens; pods find it behind the Service `kubernetes` where it is no loopback address. */
  readonly address?: string;
};

const ADMIN: Identity = { user: 'admin', groups: ['system:masters'] };

const LOOPBACK = '127.0.0.1';

/** Starts both and returns once the API server says it is ready. Any number of them can run at the same time. */
export async function startControlPlane(binaries: ServerBinaries, options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  // A port that was free may be taken before its server is up.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(binaries, options);
    } catch (error) {
      if (attempt === 3 || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function startOnce(
  { etcd, apiServer }: ServerBinaries,
  { auditRules = EVERYTHING, address = LOOPBACK }: ControlPlaneOptions,
): Promise<ControlPlane> {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-control-plane-'));
  const pki = join(folder, 'pki');
  mkdirSync(pki);
  const authority = createAuthority(pki);
  const [etcdPort = 0, etcdPeerPort = 0, port = 0] = await freePorts(3);
  const url = `https://${address}:${port}`;
  const adminCertificate = authority.client(ADMIN);
  const kubeconfigOf = ({ user }: Identity, certificate: Certificate): string =>
    writeKubeconfig(folder, url, authority.ca, user, certificate);
  const admin = createApiClient(url, { ca: authority.ca, ...adminCertificate });
  const processes = [
    startServer(etcd, etcdArguments(folder, etcdPort, etcdPeerPort), join(folder, 'etcd.log')),
    startServer(
      apiServer,
      apiServerArguments(folder, authority, etcdPort, { address, port }, auditRules),
      join(folder, 'kube-apiserver.log'),
    ),
  ];
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  // Where nobody stopped it: the kernel ends the servers with this process, but would leave their files.
  const abandoned = (): void => {
    for (const server of processes) void server.kill();
    remove();
  };
  process.once('exit', abandoned);
  const stop = async (): Promise<void> => {
    await admin.close();
    // The API server first: without its etcd it would complain for seconds.
    for (const server of processes.toReversed()) await server.kill();
    remove();
    process.off('exit', abandoned);
  };
  try {
    await ready(admin, processes);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    etcdUrl: `http://127.0.0.1:${etcdPort}`,
    folder,
    authority,
    admin,
    kubeconfig: kubeconfigOf(ADMIN, adminCertificate),
    kubeconfigOf: (identity) => kubeconfigOf(identity, authority.client(identity)),
    auditLog: auditLogOf(folder),
    processes,
    stop,
  };
}

async function ready(admin: ApiClient, processes: readonly ServerProcess[]): Promise<void> {
  for (;;) {
    const dead = processes.find((server) => !server.running());
    // The one that ended complains of the other, more often than not.
    if (dead) throw new Error(`${dead.name} ended before it was ready\n${processes.map(told).join('\n')}`);
    const answer = await admin.send('GET', '/readyz').catch(() => undefined);
    if (answer?.status === 200) return;
    await setTimeout(25);
  }
}

const told = (server: ServerProcess): string => `--- ${server.name}\n${server.output()}`;

/** Ports that were free at once, so that they differ. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address) ports.push(address.port);
  }
  for (const server of servers) server.close();
  return ports;
}

function etcdArguments(folder: string, port: number, peerPort: number): readonly string[] {
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  return flags({
    name: 'test',
    'data-dir': join(folder, 'etcd'),
    'log-level': 'warn',
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `test=${peer}`,
    // What it keeps is thrown away: waiting for the disk would only be slow.
    'unsafe-no-fsync': true,
    'auto-compaction-mode': 'revision',
    'auto-compaction-retention': 1000,
    'quota-backend-bytes': 2 ** 31,
  });
}

/** The first address of the range of Services: that of the Service `kubernetes`. */
const SERVICE_ADDRESS = '10.96.0.1';
const ISSUER = 'https://kubernetes.default.svc.cluster.local';

type Listening = { readonly address: string; readonly port: number };

function apiServerArguments(
  folder: string,
  authority: Authority,
  etcdPort: number,
  { address, port }: Listening,
  auditRules: readonly object[],
): readonly string[] {
  const names = [`IP:${address}`, `IP:${SERVICE_ADDRESS}`, 'DNS:localhost', 'DNS:kubernetes.default.svc'];
  const { certFile, keyFile } = authority.server('kube-apiserver', names);
  const policy = join(folder, 'audit-policy.json');
  writeFileSync(policy, JSON.stringify(auditPolicy(auditRules)));
  return flags({
    'etcd-servers': `http://127.0.0.1:${etcdPort}`,
    'bind-address': address,
    'secure-port': port,
    'advertise-address': address,
    'service-cluster-ip-range': '10.96.0.0/16',
    'tls-cert-file': certFile,
    'tls-private-key-file': keyFile,
    'client-ca-file': authority.caFile,
    'service-account-issuer': ISSUER,
    'api-audiences': ISSUER,
    'service-account-signing-key-file': authority.serviceAccountKeyFile,
    'service-account-key-file': authority.serviceAccountPublicKeyFile,
    'authorization-mode': 'Node,RBAC',
    'audit-policy-file': policy,
    'audit-log-path': auditLogOf(folder),
    'audit-log-mode': 'blocking',
    // In megabytes: beyond, a file is put aside and another begun.
    'audit-log-maxsize': 100_000,
    profiling: false,
    ...(address === LOOPBACK ? { 'endpoint-reconciler-type': 'none' } : forNodes(authority)),
  });
}

/** With nodes the API server is found by pods, and asks kubelets for logs. */
function forNodes(authority: Authority): Readonly<Record<string, string>> {
  const { certFile, keyFile } = authority.client({ user: 'kube-apiserver-kubelet-client', groups: ['system:masters'] });
  return {
    'endpoint-reconciler-type': 'master-count',
    'kubelet-client-certificate': certFile,
    'kubelet-client-key': keyFile,
    'kubelet-certificate-authority': authority.caFile,
    'kubelet-preferred-address-types': 'InternalIP',
  };
}

const EVERYTHING = [{ level: 'Metadata' }];

/** Who did what to which object, and whether it was allowed: one event per request, at its end. Requests of the server itself are left out. */
function auditPolicy(rules: readonly object[]): object {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'None', users: ['system:apiserver'] }, ...rules],
  };
}

const auditLogOf = (folder: string): string => join(folder, 'audit.jsonl');

function writeKubeconfig(folder: string, url: string, ca: string, user: string, { cert, key }: Certificate): string {
  const named = { cluster: 'test', user };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: named.cluster, cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: named.user, user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } }],
    contexts: [{ name: 'test', context: named }],
    'current-context': 'test',
  };
  const path = join(folder, `${user.replaceAll(/[^A-Za-z0-9]+/g, '-')}.kubeconfig`);
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}

const base64 = (pem: string): string => Buffer.from(pem).toString('base64');
