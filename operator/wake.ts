/** Which objects are to be looked at again when something has changed. */
import type { Cluster } from './cluster.ts';
import { LABELS } from './jobs/metadata.ts';
import { keyOf, type KubeObject } from './kube/resource.ts';
import type { Change } from './kube/store.ts';
import type { WorkQueue } from './kube/workqueue.ts';
import type { StoredSynthesis } from './synthesis/stored.ts';
import type { StoredTraining } from './training/stored.ts';

export type Wakers = {
  readonly training: (change: Change<StoredTraining>) => void;
  readonly synthesis: (change: Change<StoredSynthesis>) => void;
  /** Of a Job or a pod. */
  readonly worker: (change: Change<KubeObject>) => void;
  readonly pod: (pod: KubeObject) => void;
};

export function wakersOf(
  queues: { readonly trainings: Pick<WorkQueue, 'add'>; readonly syntheses: Pick<WorkQueue, 'add'> },
  cluster: () => Pick<Cluster, 'trainings' | 'syntheses'>,
): Wakers {
  /** By name and not by owner: pods of an earlier object of that name are what its successor waits for. */
  const pod = ({ metadata }: KubeObject): void => {
    const { namespace, labels } = metadata ?? {};
    const [training, synthesis] = [labels?.[LABELS.training], labels?.[LABELS.synthesis]];
    if (training !== undefined) queues.trainings.add(`${namespace}/${training}`);
    if (synthesis !== undefined) queues.syntheses.add(`${namespace}/${synthesis}`);
  };
  return {
    pod,
    worker: ({ object }) => pod(object),
    synthesis: ({ object }) => queues.syntheses.add(keyOf(object)),
    training({ object }) {
      const key = keyOf(object);
      queues.trainings.add(key);
      const { trainings, syntheses } = cluster();
      for (const other of trainings.referringTo(key)) queues.trainings.add(keyOf(other));
      for (const other of syntheses.referringTo(key)) queues.syntheses.add(keyOf(other));
    },
  };
}

/** Keys of the trainings that an object waits for. Each change of a training asks: in a large fleet nobody can look through all others. */
export function waitsFor({ metadata }: KubeObject, ref: { readonly name: string } | undefined): readonly string[] {
  return ref === undefined ? [] : [`${metadata?.namespace}/${ref.name}`];
}
