/** Which objects are to be looked at again when something has changed. */
import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from './cluster.ts';
import { LABELS } from './jobs/metadata.ts';
import { hasEnded } from './jobs/pods.ts';
import { type Job, keyOf, type KubeObject, type Pod } from './kube/resource.ts';
import type { Change } from './kube/store.ts';
import type { WorkQueue } from './kube/workqueue.ts';
import type { StoredSynthesis } from './synthesis/stored.ts';
import type { StoredTraining } from './training/stored.ts';

export type Wakers = {
  readonly training: (change: Change<StoredTraining>) => void;
  readonly synthesis: (change: Change<StoredSynthesis>) => void;
  readonly job: (change: Change<Job>) => void;
  readonly pod: (change: Change<Pod>) => void;
  /** Of a pod whose process was asked for its progress. */
  readonly heard: (pod: Pod) => void;
};

/** What a queue is asked for on a change. */
export type Waking = Pick<WorkQueue, 'add' | 'addAfter'>;

/**
 * Jobs and pods change several times within a second (created, scheduled, started; ended, counted, over): what comes together is looked at, and
 * written, once. The Job controller gathers pods for a second for the same reason.
 */
const GATHER_SECONDS = 0.5;

export function wakersOf(
  queues: { readonly trainings: Waking; readonly syntheses: Waking },
  cluster: () => Pick<Cluster, 'trainings' | 'syntheses'>,
): Wakers {
  /** By name and not by owner: pods of an earlier object of that name are what its successor waits for. */
  const wakeOwner = ({ metadata }: KubeObject, seconds: number): void => {
    const { namespace, labels } = metadata ?? {};
    const [training, synthesis] = [labels?.[LABELS.training], labels?.[LABELS.synthesis]];
    if (training !== undefined) queues.trainings.addAfter(`${namespace}/${training}`, seconds);
    if (synthesis !== undefined) queues.syntheses.addAfter(`${namespace}/${synthesis}`, seconds);
  };
  return {
    job: ({ object }) => wakeOwner(object, GATHER_SECONDS),
    // One that was told to end is gone within a second of its end, and its exit code with it.
    pod: ({ kind, object }) => wakeOwner(object, kind === 'applied' && hasEnded(object) ? 0 : GATHER_SECONDS),
    heard: (pod) => wakeOwner(pod, GATHER_SECONDS),
    synthesis: (change) => wakeItself(queues.syntheses, change),
    training(change) {
      wakeItself(queues.trainings, change);
      const key = keyOf(change.object);
      const { trainings, syntheses } = cluster();
      for (const other of trainings.referringTo(key)) queues.trainings.addAfter(keyOf(other), GATHER_SECONDS);
      for (const other of syntheses.referringTo(key)) queues.syntheses.addAfter(keyOf(other), GATHER_SECONDS);
    },
  };
}

/** What a person wants is looked at at once; a status that was written is nothing new to whoever wrote it. */
function wakeItself(queue: Waking, change: Change<KubeObject>): void {
  if (isStatusOnly(change)) queue.addAfter(keyOf(change.object), GATHER_SECONDS);
  else queue.add(keyOf(change.object));
}

function isStatusOnly(change: Change<KubeObject>): boolean {
  if (change.kind === 'deleted' || change.previous === undefined) return false;
  return isDeepStrictEqual(wishesOf(change.object), wishesOf(change.previous));
}

/** What of an object's metadata a status never changes. */
function wishesOf({ metadata }: KubeObject): readonly unknown[] {
  return [metadata?.generation, metadata?.deletionTimestamp, metadata?.annotations, metadata?.finalizers];
}

/** Keys of the trainings that an object waits for. Each change of a training asks: in a large fleet nobody can look through all others. */
export function waitsFor({ metadata }: KubeObject, ref: { readonly name: string } | undefined): readonly string[] {
  return ref === undefined ? [] : [`${metadata?.namespace}/${ref.name}`];
}
