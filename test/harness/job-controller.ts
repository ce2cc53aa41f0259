/**
 * What kube-controller-manager would do with our Jobs, where none runs: pods for Jobs, their ends counted by podFailurePolicy and backoffLimit,
 * suspension, and foreground deletion. It starts failed pods again at once: the real one waits for 10 seconds or longer.
 */
import type { TestContext } from 'node:test';
import { createReflector } from '../../operator/kube/reflector.ts';
import { type Job, JOBS, type KubeObject, keyOf, type Pod, PODS, refOf, type Resource } from '../../operator/kube/resource.ts';
import type { Kube } from '../../operator/kube/client.ts';
import { isKubeError } from '../../operator/kube/errors.ts';
import type { Store } from '../../operator/kube/store.ts';
import { outcomeOf } from './job-policy.ts';
import { type Scene, until } from './kube.ts';

export const NODE = 'process-node';
const INDEX = 'batch.kubernetes.io/job-completion-index';

export type Stores = { readonly jobs: Store<Job>; readonly pods: Store<Pod> };

/**
 * Reflects Jobs and pods of a namespace and calls `pass` after every change, never twice at once. A pass that met a conflict is made again.
 */
export async function reflectWorkloads(
  kube: Kube,
  namespace: string,
  pass: (stores: Stores) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let dirty = Promise.withResolvers<void>();
  const options = { kube, namespace, onChange: () => dirty.resolve(), backoff: { minSeconds: 0.05, maxSeconds: 1 } };
  const reflect = <T extends KubeObject>(resource: Resource<T>) =>
    createReflector<T, T>({ ...options, resource, project: (object: T): T => object });
  const [jobs, pods] = [reflect(JOBS), reflect(PODS)];
  const running = [jobs.run(signal), pods.run(signal)];
  signal.addEventListener('abort', () => dirty.resolve());
  await Promise.race([Promise.all([jobs.synced, pods.synced]), dirty.promise.then(() => Promise.all([jobs.synced, pods.synced]))]);
  while (!signal.aborted) {
    dirty = Promise.withResolvers<void>();
    try {
      await pass({ jobs: jobs.store, pods: pods.store });
    } catch (error) {
      // The world has moved on, or the API server is away: what happened then makes the next pass.
      if (!isKubeError(error, 'Conflict', 'NotFound', 'AlreadyExists', 'Dropped', 'Unavailable', 'Timeout')) throw error;
      setTimeout(() => dirty.resolve(), 50);
    }
    await dirty.promise;
  }
  await Promise.all(running);
}

/** Plays a Job controller for a namespace until the test ends. */
export function playJobs(t: TestContext, { kube, namespace }: Scene): void {
  const stop = new AbortController();
  const played = reflectWorkloads(kube, namespace, (stores) => controlJobs(kube, stores), stop.signal);
  t.after(async () => {
    stop.abort();
    await played;
  });
}

/** One pass over all Jobs. */
export async function controlJobs(kube: Kube, { jobs, pods }: Stores): Promise<void> {
  for (const job of jobs.list()) {
    const own = pods.ownedBy(job.metadata?.uid ?? '');
    if (job.metadata?.deletionTimestamp !== undefined) await deleteInForeground(kube, job, own);
    else await controlJob(kube, job, own, pods);
  }
}

/** The garbage collector's part. */
async function deleteInForeground(kube: Kube, job: Job, pods: readonly Pod[]): Promise<void> {
  await deleteAll(kube, pods);
  if (pods.length > 0) return;
  const finalizers = job.metadata?.finalizers?.filter((name) => name !== 'foregroundDeletion') ?? [];
  await kube.patch(JOBS, refOf(keyOf(job)), { merge: { metadata: { uid: job.metadata?.uid, finalizers } } });
}

async function deleteAll(kube: Kube, pods: readonly Pod[]): Promise<void> {
  for (const pod of pods)
    if (pod.metadata?.deletionTimestamp === undefined) await kube.delete(PODS, refOf(keyOf(pod)), { uid: pod.metadata?.uid ?? '' });
}

async function controlJob(kube: Kube, job: Job, pods: readonly Pod[], store: Store<Pod>): Promise<void> {
  const { status = {}, spec } = job;
  if (status.conditions?.some(({ type, status: is }) => /^(Complete|Failed)$/.test(type) && is === 'True')) return;
  const active = pods.filter((pod) => !/^(Succeeded|Failed)$/.test(pod.status?.phase ?? ''));
  if (spec?.suspend) {
    await deleteAll(kube, active);
    return writeStatus(kube, job, { active: active.length, startTime: null });
  }
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const counts = { active: active.length, startTime: status.startTime ?? now };
  const outcome = outcomeOf(job, pods);
  const told = { ...counts, failed: Math.max(status.failed ?? 0, outcome.failed), succeeded: outcome.succeeded };
  const end = outcome.end;
  if (end === undefined) {
    await writeStatus(kube, job, told);
    const busy = new Set([...active, ...outcome.succeededPods].map(indexOf));
    const wanted = Array.from({ length: spec?.completions ?? 1 }, (_, index) => index);
    for (const index of wanted) if (!busy.has(index) && !outcome.failedIndexes.has(index)) await createPod(kube, store, podOf(job, index));
    return;
  }
  await deleteAll(kube, active);
  if (active.length > 0) return;
  const condition = (type: string) => ({ type, status: 'True', reason: end.reason, message: end.message, lastTransitionTime: now });
  const ended = end.succeeded ? ['SuccessCriteriaMet', 'Complete'] : ['FailureTarget', 'Failed'];
  await writeStatus(kube, job, { ...told, conditions: ended.map(condition), ...(end.succeeded && { completionTime: now }) });
}

/** Returns when the store shows it: the next pass must not make another one. */
async function createPod(kube: Kube, store: Store<Pod>, pod: Pod): Promise<void> {
  await kube.create(PODS, pod);
  await until(() => store.get(keyOf(pod)) !== undefined);
}

/** The API leaves out zeros. */
const blank = (value: unknown): unknown => (value === 0 ? undefined : (value ?? undefined));

async function writeStatus(kube: Kube, job: Job, status: Readonly<Record<string, unknown>>): Promise<void> {
  const known: Readonly<Record<string, unknown>> = { ...job.status };
  if (Object.entries(status).every(([field, value]) => JSON.stringify(blank(known[field])) === JSON.stringify(blank(value)))) return;
  const { uid, resourceVersion } = job.metadata ?? {};
  await kube.patch(JOBS, refOf(keyOf(job)), { merge: { metadata: { uid, resourceVersion }, status } }, { subresource: 'status' });
}

function indexOf({ metadata }: Pod): number {
  return Number(metadata?.annotations?.[INDEX] ?? 0);
}

/** Bound to the one node there is. A name that is taken shows that a pod was made of an outdated view. */
function podOf(job: Job, index: number): Pod {
  const { name = '', namespace = '', uid = '' } = job.metadata ?? {};
  const { metadata, spec } = job.spec?.template ?? {};
  const indexed = job.spec?.completionMode === 'Indexed';
  const attempt = Math.random().toString(36).slice(2, 7);
  return {
    metadata: {
      ...metadata,
      namespace,
      name: indexed ? `${name}-${index}-${attempt}` : `${name}-${attempt}`,
      annotations: { ...metadata?.annotations, ...(indexed && { [INDEX]: String(index) }) },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    spec: { containers: [], ...spec, nodeName: NODE },
  };
}
