/** SynthesisJobs as the API server keeps them, and as planSynthesis() wants to see them. */
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { SynthesisJobSpec } from '../../crds/v1alpha1/synthesis-job.ts';
import type { KubeObject, Resource } from '../kube/resource.ts';
import { metadataOf } from '../training/stored.ts';
import type { SynthesisObject, SynthesisStatus } from './observed.ts';

/** The API server has checked the spec against its schema and filled in the defaults. */
export type StoredSynthesis = KubeObject & { readonly spec: SynthesisJobSpec; readonly status?: Partial<SynthesisStatus> };

export const SYNTHESIS_JOBS: Resource<StoredSynthesis> = { apiVersion: API_VERSION, kind: 'SynthesisJob', plural: 'synthesisjobs' };

/** The status, where it was ever written: the API server gives a new object one that holds defaults only. */
export function statusOf({ status }: StoredSynthesis): SynthesisStatus | undefined {
  return status?.task === undefined ? undefined : (status as SynthesisStatus);
}

export function synthesisObject(stored: StoredSynthesis): SynthesisObject {
  const status = statusOf(stored);
  return { metadata: metadataOf(stored), spec: stored.spec, ...(status && { status }) };
}
