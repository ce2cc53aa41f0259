/** What the operator sees of the cluster: the objects of four kinds, as its reflectors hold them, reduced to what is read. */
import { LABELS } from './jobs/metadata.ts';
import type { Job, KubeObject, Pod } from './kube/resource.ts';
import type { Store } from './kube/store.ts';
import type { StoredSynthesis } from './synthesis/stored.ts';
import type { StoredTraining } from './training/stored.ts';

export type Cluster = {
  readonly trainings: Store<StoredTraining>;
  readonly syntheses: Store<StoredSynthesis>;
  /** Jobs and pods that carry the label managed-by of this operator; indexed by NAME_LABELS. */
  readonly jobs: Store<Job>;
  readonly pods: Store<Pod>;
};

export const MANAGED = 'app.kubernetes.io/managed-by=pggan-operator';
export const NAME_LABELS: readonly string[] = [LABELS.training, LABELS.synthesis];

/** Who wrote which field is for kubectl to know. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata ?? {};
  return { ...object, metadata };
}

/** A Job without its template: the run document in it is the largest part. */
export function projectJob(job: Job): Job {
  const { suspend, ttlSecondsAfterFinished } = job.spec ?? {};
  return { ...withoutManagedFields(job), spec: { suspend, ttlSecondsAfterFinished, template: {} } };
}

export function projectPod(pod: Pod): Pod {
  const { hostNetwork, nodeName } = pod.spec ?? {};
  return { ...withoutManagedFields(pod), spec: { hostNetwork, nodeName, containers: [] } };
}
