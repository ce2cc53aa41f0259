/** A fleet of trainings on a cluster of fake GPUs: started, watched to its end, and disturbed on the way. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { createKube, type Kube } from '../../operator/kube/client.ts';
import { connectionOf } from '../../operator/kube/connection.ts';
import { isTrue } from '../../operator/kube/conditions.ts';
import { createReflector } from '../../operator/kube/reflector.ts';
import { type KubeObject, PODS, refOf, keyOf } from '../../operator/kube/resource.ts';
import { type StoredTraining, TRAININGS } from '../../operator/training/stored.ts';
import { type ApiProxy, type FaultShares, startApiProxy } from './api-proxy.ts';
import { bundledOperator } from './bundled-operator.ts';
import { type ClusterBinaries, GPUS_PER_NODE, startCluster } from './cluster.ts';
import { commandOf } from './command.ts';
import type { ControlPlane } from './control-plane.ts';
import { FLEET, serveProgress, TALES } from './fleet-trainings.ts';
import { type OperatorPair, startOperatorPair } from './operator-pair.ts';
import { installKinds } from './install-kinds.ts';
import { INSTALLED, OPERATOR } from './operator-process.ts';

export type FleetOptions = {
  readonly binaries: ClusterBinaries & { readonly kubectl: string };
  readonly trainings: readonly StoredTraining[];
  readonly faults: FaultShares;
  /** What runs the operators, where that is not node alone. */
  readonly nodeFlags?: readonly string[];
};

export type Fleet = {
  readonly plane: ControlPlane;
  readonly kube: Kube;
  readonly operators: OperatorPair;
  /** Between the operators and the API server. */
  readonly proxy: ApiProxy;
  /** Creates all trainings. */
  submit(): Promise<void>;
  /** Returns when all trainings have succeeded. @throws as soon as one of them waits for a person */
  succeeded(): Promise<void>;
  /** How many have succeeded by now. */
  readonly done: number;
  /** Deletes some pod that runs, as an eviction would; of each training one, for three in a row would be a reason to stop it. */
  evictOne(): Promise<void>;
  stop(): Promise<void>;
};

/** What is audited: all requests of the operator, and who else makes or deletes Jobs and pods. */
const AUDIT_RULES = [
  { level: 'Metadata', users: [OPERATOR.user] },
  {
    level: 'Metadata',
    verbs: ['create', 'delete', 'deletecollection'],
    resources: [
      { group: 'batch', resources: ['jobs'] },
      { group: '', resources: ['pods'] },
    ],
  },
  { level: 'None' },
];

/** At most so many: a larger fleet queues for GPUs. */
const MOST_NODES = 50;

export async function startFleet({ binaries, trainings, faults, nodeFlags = [] }: FleetOptions): Promise<Fleet> {
  const cleanUps: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  };
  try {
    const nodes = Math.min(MOST_NODES, Math.ceil(trainings.length / GPUS_PER_NODE));
    const plane = await startCluster(binaries, { nodes, tales: TALES, auditRules: AUDIT_RULES });
    cleanUps.push(() => plane.stop());
    const kube = await adminOf(plane);
    cleanUps.push(() => kube.close());
    await install(plane, binaries.kubectl);
    const trainers = await serveProgress();
    cleanUps.push(() => trainers.close());
    const proxy = await startApiProxy(plane, OPERATOR, faults);
    cleanUps.push(() => proxy.close());
    const kubeconfig = kubeconfigOf(plane.folder, proxy.url);
    const program = bundledOperator(plane.folder);
    const flags = { 'trainer-port': trainers.port };
    const operators = startOperatorPair({ kube, kubeconfig, folder: plane.folder, flags, program, nodeFlags });
    cleanUps.push(() => operators.stop());
    const evicted = new Set<string>();
    const watched = watchTrainings(kube, trainings.length);
    cleanUps.push(() => watched.stop());
    return {
      plane,
      kube,
      operators,
      proxy,
      async submit() {
        for (const training of trainings) await kube.create(TRAININGS, training);
      },
      succeeded: () => watched.succeeded,
      get done() {
        return watched.done();
      },
      evictOne: () => evictOne(kube, evicted),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function adminOf({ kubeconfig }: ControlPlane): Promise<Kube> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return createKube(await connectionOf(config), { userAgent: 'pggan-operator-test' });
}

/** As a person would who has no Helm; then the namespace of the trainings, which takes no pod that is not restricted. */
async function install(plane: ControlPlane, kubectl: string): Promise<void> {
  await installKinds(plane.admin);
  const run = commandOf(kubectl, [`--kubeconfig=${plane.kubeconfig}`, `--cache-dir=${join(plane.folder, 'kubectl-cache')}`]);
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const namespace = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: FLEET, labels } });
  for (const manifest of [INSTALLED, namespace]) {
    const { code, stderr } = await run(['apply', '--server-side', '-f', '-'], manifest);
    if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  }
}

/** Of a client that says nothing of itself: the proxy knows who it is. */
function kubeconfigOf(folder: string, server: string): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'proxy', cluster: { server } }],
    users: [{ name: 'nobody', user: {} }],
    contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'nobody' } }],
    'current-context': 'proxy',
  };
  const path = join(folder, 'operator.kubeconfig');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

type Seen = KubeObject & { readonly succeeded: boolean; readonly stalled: string | undefined };

function watchTrainings(kube: Kube, wanted: number) {
  const over = Promise.withResolvers<void>();
  const done = new Set<string>();
  const reflector = createReflector<StoredTraining, Seen>({
    kube,
    resource: TRAININGS,
    namespace: FLEET,
    project: ({ metadata, status }) => ({
      metadata,
      succeeded: isTrue(status?.conditions, 'Succeeded'),
      stalled: status?.conditions?.find(({ type }) => type === 'Stalled')?.message,
    }),
    onChange({ object }) {
      if (object.stalled !== undefined) over.reject(new Error(`${keyOf(object)} is stalled: ${object.stalled}`));
      if (object.succeeded) done.add(keyOf(object));
      if (done.size === wanted) over.resolve();
    },
  });
  // Whoever waits for it hears of it.
  over.promise.catch(() => undefined);
  const ended = new AbortController();
  const running = reflector.run(ended.signal);
  return {
    succeeded: over.promise,
    done: () => done.size,
    async stop() {
      ended.abort();
      await running;
    },
  };
}

async function evictOne(kube: Kube, evicted: Set<string>): Promise<void> {
  const { items } = await kube.list(PODS, {
    namespace: FLEET,
    fieldSelector: 'status.phase=Running',
    labelSelector: 'pggan.dev/resolution',
    limit: 500,
  });
  const found = items.find(({ metadata }) => !evicted.has(metadata?.labels?.['pggan.dev/training'] ?? ''));
  if (!found) return;
  evicted.add(found.metadata?.labels?.['pggan.dev/training'] ?? '');
  await kube.delete(PODS, refOf(keyOf(found)), { uid: found.metadata?.uid ?? '' }).catch(() => undefined);
}
