/** PGGANTrainings as the API server keeps them, and as plan() wants to see them. */
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { KubeObject, Resource } from '../kube/resource.ts';
import type { TrainingObject } from './expectation.ts';
import type { TrainingStatus } from './status.ts';

/** What this operator itself adds to the status that plan() writes. */
export type StoredStatus = TrainingStatus & { readonly image?: string; readonly initFromUri?: string; readonly progress?: object };

/** The API server has checked the spec against its schema and filled in the defaults. */
export type StoredTraining = KubeObject & { readonly spec: PGGANTrainingSpec; readonly status?: Partial<StoredStatus> };

export const TRAININGS: Resource<StoredTraining> = { apiVersion: API_VERSION, kind: 'PGGANTraining', plural: 'pggantrainings' };

/** The status, where it was ever written: the API server gives a new object one that holds defaults only. */
export function statusOf({ status }: StoredTraining): StoredStatus | undefined {
  return status?.preflight === undefined ? undefined : (status as StoredStatus);
}

export function trainingObject(stored: StoredTraining): TrainingObject {
  const written = statusOf(stored);
  if (!written) return { metadata: metadataOf(stored), spec: stored.spec };
  // Another writer's: what plan() hands on of the status it was shown would be written by the wrong one.
  const { progress: _, ...status } = written;
  return { metadata: metadataOf(stored), spec: stored.spec, status };
}

/** Of an object that was stored: it has them all. */
export function metadataOf({ metadata }: KubeObject): TrainingObject['metadata'] {
  const { name = '', namespace = '', uid = '', generation = 0, annotations, deletionTimestamp } = metadata ?? {};
  return { name, namespace, uid, generation, ...(annotations && { annotations }), ...(deletionTimestamp && { deletionTimestamp }) };
}
