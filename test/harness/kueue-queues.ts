/** Queues of Kueue for GPUs, and who holds their quota, as the API server tells whoever watches. */
import type { TestContext } from 'node:test';
import { createReflector } from '../../operator/kube/reflector.ts';
import type { KubeObject, Resource } from '../../operator/kube/resource.ts';
import type { Change } from '../../operator/kube/store.ts';
import type { Scene } from './kube.ts';

const API = 'kueue.x-k8s.io/v1beta2';

export const PRIORITIES = ['low', 'high'].map((name, place) => ({
  apiVersion: API,
  kind: 'WorkloadPriorityClass',
  metadata: { name },
  value: 100 * (place + 1),
}));

export type Queue = {
  /** GPUs that it counts as taken. */
  usedGpus(): Promise<number>;
};

const GPU = 'nvidia.com/gpu';
const FLAVOR = 'any-node';

/** A queue of the namespace, with a quota of its own and next to everything else. Who has a lower priority gives way. */
export async function makeQueue({ plane, namespace }: Scene, name: string, gpus: number): Promise<Queue> {
  const send = async (path: string, object: object, ...fine: readonly number[]): Promise<void> => {
    const { status, body } = await plane.admin.send('POST', path, object);
    if (status !== 201 && !fine.includes(status)) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  };
  const quota = { cpu: '90', memory: '900Gi', [GPU]: String(gpus) };
  const resources = Object.entries(quota).map(([resource, nominalQuota]) => ({ name: resource, nominalQuota }));
  const resourceGroups = [{ coveredResources: Object.keys(quota), flavors: [{ name: FLAVOR, resources }] }];
  const preemption = { withinClusterQueue: 'LowerPriority' };
  const clusterQueues = `/apis/${API}/clusterqueues`;
  // Queues share the flavor; the first of them makes it.
  await send(`/apis/${API}/resourceflavors`, { apiVersion: API, kind: 'ResourceFlavor', metadata: { name: FLAVOR } }, 409);
  const spec = { namespaceSelector: {}, resourceGroups, preemption };
  await send(clusterQueues, { apiVersion: API, kind: 'ClusterQueue', metadata: { name }, spec });
  const local = { apiVersion: API, kind: 'LocalQueue', metadata: { name }, spec: { clusterQueue: name } };
  await send(`/apis/${API}/namespaces/${namespace}/localqueues`, local);
  return {
    async usedGpus() {
      const { body } = await plane.admin.send('GET', `${clusterQueues}/${name}`);
      const { status } = body as ClusterQueue;
      const used = status?.flavorsUsage?.flatMap((flavor) => flavor.resources) ?? [];
      return used.filter((resource) => resource.name === GPU).reduce((sum, { total = '0' }) => sum + Number(total), 0);
    },
  };
}

type ClusterQueue = {
  readonly status?: {
    readonly flavorsUsage?: readonly { readonly resources: readonly { readonly name: string; readonly total?: string }[] }[];
  };
};

type Workload = KubeObject & {
  readonly spec: {
    readonly queueName: string;
    readonly podSets: readonly {
      readonly template: { readonly spec: { readonly containers: readonly { readonly resources?: { readonly limits?: object } }[] } };
    }[];
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};

const WORKLOADS: Resource<Workload> = { apiVersion: API, kind: 'Workload', plural: 'workloads' };

export type QuotaHistory = {
  /** Most Jobs with GPUs that held quota at any one moment. */
  mostAtOnce(): number;
  /** Names of Jobs with GPUs in the order in which they got quota. */
  admitted(): readonly string[];
};

/**
 * Watches who holds quota of a queue until the test ends, by a reflector: while Kueue tells its kinds whom to trust, the API server puts up their
 * storage anew and ends all watches.
 */
export async function watchQuota(t: TestContext, { kube, namespace }: Scene, queue: string): Promise<QuotaHistory> {
  const holders = new Set<string>();
  const order: string[] = [];
  let most = 0;
  const onChange = ({ kind, object }: Change<Workload>): void => {
    if (object.spec.queueName !== queue || !wantsGpu(object)) return;
    const job = object.metadata?.ownerReferences?.[0]?.name ?? '';
    const holds = kind === 'applied' && is(object, 'QuotaReserved') && !is(object, 'Finished');
    if (holds && !holders.has(job)) order.push(job);
    if (holds) holders.add(job);
    else holders.delete(job);
    most = Math.max(most, holders.size);
  };
  const workloads = createReflector<Workload, Workload>({ kube, resource: WORKLOADS, namespace, project: (object) => object, onChange });
  const stop = new AbortController();
  const running = workloads.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  await workloads.synced;
  return { mostAtOnce: () => most, admitted: () => order };
}

function wantsGpu({ spec }: Workload): boolean {
  return spec.podSets.some(({ template }) => template.spec.containers.some(({ resources }) => GPU in (resources?.limits ?? {})));
}

function is({ status }: Workload, condition: string): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === condition && value === 'True') ?? false;
}
