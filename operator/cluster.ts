/** What the operator sees of the cluster: the objects of four kinds, as its reflectors hold them, reduced to what is read. */
import { THIS_OPERATOR } from '../crds/v1alpha1/common.ts';
import { LABELS } from './jobs/metadata.ts';
import { SHARD_INDEX } from './jobs/shards.ts';
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

/** An object of another controller's is seen, for those of ours that refer to it, and never touched. */
export function isManagedHere({ spec }: StoredTraining | StoredSynthesis): boolean {
  return spec.managedBy === undefined || spec.managedBy === THIS_OPERATOR;
}

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

/** A pod as far as it is read: thousands of them are kept, of runs that have long ended. */
export function projectPod({ metadata, spec, status }: Pod): Pod {
  const { hostNetwork, nodeName } = spec ?? {};
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels, ownerReferences } = metadata ?? {};
  const index = metadata?.annotations?.[SHARD_INDEX];
  const { phase, reason, message, podIP, conditions, containerStatuses } = status ?? {};
  return {
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      creationTimestamp,
      deletionTimestamp,
      ownerReferences,
      labels: Object.fromEntries(Object.entries(labels ?? {}).filter(([label]) => READ_LABELS.has(label))),
      ...(index !== undefined && { annotations: { [SHARD_INDEX]: index } }),
    },
    spec: { hostNetwork, nodeName, containers: [] },
    status: {
      phase,
      reason,
      message,
      podIP,
      conditions: conditions?.filter(({ type }) => READ_CONDITIONS.has(type)),
      containerStatuses: containerStatuses?.map((container) => ({ ...NO_CONTAINER, name: container.name, state: container.state })),
    },
  };
}

const READ_LABELS: ReadonlySet<string> = new Set(Object.values(LABELS));
const READ_CONDITIONS: ReadonlySet<string> = new Set(['PodScheduled', 'DisruptionTarget', 'Ready']);
/** What the type of the API wants of one. */
const NO_CONTAINER = { image: '', imageID: '', ready: false, restartCount: 0 };
