/** The names under which Jobs and pods are found again: labels, the owner, and annotations that hold what a Job was built for. */
import { canonicalJson } from '../../crds/run.ts';
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { Job } from './wire.ts';

export const LABELS = {
  /** Name of the PGGANTraining whose run folder the pod writes to. No two of its pods may run at once, whatever their owner's uid. */
  training: 'pggan.dev/training',
  /** Name of the SynthesisJob. */
  synthesis: 'pggan.dev/synthesis',
  resolution: 'pggan.dev/resolution',
  component: 'app.kubernetes.io/component',
} as const;

/** The task of a Job, as JSON, and the digest of what it was built from (operator/training/digest.ts). */
export const ANNOTATIONS = {
  task: 'pggan.dev/task',
  digest: 'pggan.dev/digest',
  /** The uid of the object that a Job without an owner works for. */
  forUid: 'pggan.dev/for-uid',
} as const;

const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name';
const PRIORITY_LABEL = 'kueue.x-k8s.io/priority-class';

export type Component = 'preflight' | 'training' | 'synthesis' | 'deletion';

/** Labels of a Job and of its pods. */
export function labelsOf(component: Component, own: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/name': 'pggan',
    'app.kubernetes.io/managed-by': 'pggan-operator',
    [LABELS.component]: component,
    ...own,
  };
}

/** The object that a Job works for. */
export type Owner = {
  readonly kind: 'PGGANTraining' | 'SynthesisJob';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string };
};

export type Queue = { readonly name: string; readonly priorityClass?: string | undefined };

/** Metadata of a Job. A queue finds its Jobs by labels of the Job, not of its pods. */
export function jobMetadata(
  { kind, metadata }: Owner,
  { name, task, digest }: { readonly name: string; readonly task: object; readonly digest: string },
  labels: Readonly<Record<string, string>>,
  queue: Queue | undefined,
): Job['metadata'] {
  return {
    name,
    namespace: metadata.namespace,
    labels: {
      ...labels,
      ...(queue && { [QUEUE_LABEL]: queue.name }),
      ...(queue?.priorityClass !== undefined && { [PRIORITY_LABEL]: queue.priorityClass }),
    },
    annotations: { [ANNOTATIONS.task]: canonicalJson(task), [ANNOTATIONS.digest]: digest },
    ownerReferences: [
      { apiVersion: API_VERSION, kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: true },
    ],
  };
}

/** Whether a queue decides when a Job runs, whatever the spec of its owner says by now. */
export function inQueue({ metadata }: Job): boolean {
  return metadata?.labels?.[QUEUE_LABEL] !== undefined;
}
