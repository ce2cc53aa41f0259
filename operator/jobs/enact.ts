/**
 * Writes down what was decided about an object, then does it.
 * It survives a view of the past: a status is written only over the very version that was looked at, and nothing is done where that failed; a
 * Job is created only when the server itself lists no unfinished pod of its name. It survives a crash at any point: what was decided is decided
 * again from the same world, and each act bears being repeated. It does not return before the stores show what it did, so that the next look
 * does not decide it again.
 */
import type { Kube } from '../kube/client.ts';
import { type Clock, sleep } from '../kube/clock.ts';
import { asKubeError, isKubeError } from '../kube/errors.ts';
import { applyStatus, type StatusObject, type Written } from '../kube/apply.ts';
import { JOBS, type KubeObject, keyOf, PODS, refOf, type Resource } from '../kube/resource.ts';
import type { Store } from '../kube/store.ts';
import type { Action } from '../training/decision.ts';
import { unfinished } from './observe.ts';
import type { Job } from './wire.ts';

const FIELD_MANAGER = 'pggan-operator';

/** `release` is the caller's: it holds the finalizer. */
type Deed<T> = Exclude<Action<T>, { kind: 'release' }>;
type CreateJob<T> = Extract<Action<T>, { kind: 'createJob' }>;

export type Enactment<T> = {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly resource: Resource<KubeObject>;
  readonly objects: Store<KubeObject>;
  readonly jobs: Store<Job>;
  readonly object: StatusObject;
  /** All fields of the status but those of other writers. */
  readonly status: object;
  readonly owns: (field: string) => boolean;
  readonly actions: readonly Action<T>[];
  /** The label that all pods of this object's name carry. */
  readonly podLabel: string;
  readonly build: (create: CreateJob<T>) => Job;
  /** The Job of that name which deletes what this object's Jobs have written; of objects that may decide so. */
  readonly buildDeletion?: (name: string) => Job;
  /** What the server warns of at the creation of a Job, such as pods that its policies would refuse. */
  readonly onWarning: (job: Job, text: string) => void;
  /** A Job of a name of ours that belongs to somebody else. */
  readonly onForeign: (job: Job) => void;
};

/** What stood in the way of a Job: what the server said to one that it will not have, or a pod or a change that had not been seen. */
type Hindrance = { readonly kind: 'refused'; readonly message: string } | { readonly kind: 'blocked' };
export type Enacted = { readonly written: Written; readonly hindrance?: Hindrance };

export async function enact<T>(enactment: Enactment<T>, signal: AbortSignal): Promise<Enacted> {
  const { kube, resource, object, status, owns, actions } = enactment;
  const written = await applyStatus({ kube, resource, fieldManager: FIELD_MANAGER, owns }, object, status, signal);
  if (written === 'outdated') return { written };
  if (written === 'written') await shown(enactment, enactment.objects, object, signal);
  for (const action of actions) {
    if (action.kind === 'release') continue;
    const hindrance = await carryOut(enactment, action, written, signal);
    if (hindrance) return { written, hindrance };
  }
  return { written };
}

async function carryOut<T>(
  enactment: Enactment<T>,
  action: Deed<T>,
  written: Written,
  signal: AbortSignal,
): Promise<Hindrance | undefined> {
  const { kube, jobs, object } = enactment;
  if (action.kind === 'createJob') return createJob(enactment, () => enactment.build(action), written, signal);
  if (action.kind === 'deleteRun') {
    const { buildDeletion } = enactment;
    return buildDeletion && createJob(enactment, () => buildDeletion(action.name), written, signal);
  }
  const ref = { namespace: object.metadata?.namespace ?? '', name: action.name };
  const before = jobs.get(`${ref.namespace}/${ref.name}`);
  const { uid } = action;
  const change = (spec: object): Promise<unknown> =>
    kube.patch(JOBS, ref, { merge: { metadata: { uid }, spec } }, { fieldManager: FIELD_MANAGER, signal });
  try {
    switch (action.kind) {
      case 'deleteJob':
        await kube.delete(JOBS, ref, { propagation: 'Foreground', uid, signal });
        break;
      case 'setSuspend':
        await change({ suspend: action.suspend });
        break;
      case 'expireJob':
        await change({ ttlSecondsAfterFinished: action.seconds });
        break;
    }
  } catch (error) {
    // It is gone already, or another one has its name.
    if (!isKubeError(error, 'NotFound', 'Conflict')) throw error;
  }
  if (before) await shown(enactment, jobs, before, signal);
  return undefined;
}

async function createJob<T>(
  enactment: Enactment<T>,
  build: () => Job,
  written: Written,
  signal: AbortSignal,
): Promise<Hindrance | undefined> {
  const { kube, jobs, object, onWarning } = enactment;
  if (!(await mayCreate(enactment, written, signal))) return { kind: 'blocked' };
  const job = build();
  const warnings: string[] = [];
  try {
    const made = await kube.create(JOBS, job, { fieldManager: FIELD_MANAGER, onWarning: (text) => warnings.push(text), signal });
    for (const text of warnings) onWarning(made, text);
    await shown(enactment, jobs, { metadata: job.metadata }, signal);
  } catch (error) {
    if (isKubeError(error, 'AlreadyExists')) return takenBy(enactment, job, signal);
    if (isRefusal(error)) return { kind: 'refused', message: asKubeError(error).message };
    throw error;
  }
  return undefined;

  async function takenBy({ onForeign }: Enactment<T>, { metadata }: Job, call: AbortSignal): Promise<undefined> {
    const there = await kube.get(JOBS, refOf(keyOf({ metadata })), { signal: call });
    const ours = there.metadata?.ownerReferences?.some(({ uid }) => uid === object.metadata?.uid);
    if (!ours) onForeign(there);
    return undefined;
  }
}

/** The last look before a Job is made is at the server itself: a store may lag behind, two writers of one run folder may not be. */
async function mayCreate<T>({ kube, resource, object, podLabel }: Enactment<T>, written: Written, signal: AbortSignal): Promise<boolean> {
  const ref = refOf(keyOf(object));
  if (written === 'unchanged') {
    const now = await kube.get(resource, ref, { signal });
    if (now.metadata?.resourceVersion !== object.metadata?.resourceVersion) return false;
  }
  const { items } = await kube.list(PODS, { namespace: ref.namespace, labelSelector: podLabel }, { signal });
  return unfinished(items).length === 0;
}

/**
 * Answers to a create that trying again at once does not change: quota, policies, webhooks, what a cluster does not know; also a webhook that is
 * away, such as that of a queue whose controller is down.
 */
export function isRefusal(error: unknown): boolean {
  return isKubeError(error, 'Forbidden', 'Invalid', 'BadRequest', 'WebhookAway');
}

const SHOWN_SECONDS = 2;
const LOOK_SECONDS = 0.01;

/** Returns when a store holds another version of an object than `before`. A store that lags for long is no reason not to go on. */
async function shown(
  { clock }: { readonly clock: Clock },
  store: Store<KubeObject>,
  before: KubeObject,
  signal: AbortSignal,
): Promise<void> {
  const until = clock.seconds() + SHOWN_SECONDS;
  const same = (): boolean => store.get(keyOf(before))?.metadata?.resourceVersion === before.metadata?.resourceVersion;
  while (same() && clock.seconds() < until && !signal.aborted) await sleep(clock, LOOK_SECONDS, signal);
}
