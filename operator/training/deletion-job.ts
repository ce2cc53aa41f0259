/** The Job that deletes a deleted training's run folder: the operator has no credentials of any store, a trainer pod has those of its training. */
import { resolveTrainingRun } from '../../crds/resolve.ts';
import { canonicalJson } from '../../crds/run.ts';
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import { ANNOTATIONS, LABELS, labelsOf } from '../jobs/metadata.ts';
import { type JobConfig, trainerPod } from '../jobs/pod.ts';
import { singleJob } from '../jobs/spec.ts';
import { claimVolumes, mountedUri, scratchVolume, storeVolumes } from '../jobs/volumes.ts';
import type { Job } from '../jobs/wire.ts';
import type { TrainingObject } from './expectation.ts';
import type { TrainingFacts } from './job.ts';
import type { DeletionTask } from './observed.ts';

const TASK: DeletionTask = { kind: 'deleteRun' };
/** Pods that may fail before the Job does; the training then makes another one. */
const BACKOFF_LIMIT = 3;
const GRACE_SECONDS = 30;
const SCRATCH_BYTES = 2 ** 28;
const RESOURCES = { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } } as const;

/**
 * Without an owner: where a training is deleted in the foreground, the garbage collector deletes all that it owns first. It goes by itself once
 * its log may have been read. It waits for no queue, since it needs next to nothing and a deletion is to end.
 */
export function deletionJob({ metadata, spec }: TrainingObject, name: string, { image }: TrainingFacts, config: JobConfig): Job {
  // Where the training began is of no account any more, and may be gone.
  const { initFrom: _, ...rest } = spec;
  const run = resolveTrainingRun(
    { apiVersion: API_VERSION, kind: 'PGGANTraining', metadata, spec: rest },
    { task: TASK, cluster: config.cluster, port: config.port },
  );
  const labels = labelsOf('deletion', { [LABELS.training]: metadata.name });
  const { resourceClaims: __, ...template } = spec.template ?? {};
  const pod = trainerPod({
    template: { ...template, resources: RESOURCES },
    labels,
    image: template.image ?? image ?? config.trainerImage,
    run: { ...run, dataset: { uri: mountedUri(run.dataset.uri) }, run: { uri: mountedUri(run.run.uri) } },
    graceSeconds: GRACE_SECONDS,
    mounted: [claimVolumes([{ uri: run.run.uri, writes: true }]), storeVolumes(spec.store), scratchVolume(SCRATCH_BYTES)],
    sharded: false,
  });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: metadata.namespace,
      labels,
      annotations: { [ANNOTATIONS.task]: canonicalJson(TASK), [ANNOTATIONS.digest]: '', [ANNOTATIONS.forUid]: metadata.uid },
    },
    spec: { ...singleJob(pod, BACKOFF_LIMIT, false), ttlSecondsAfterFinished: spec.ttlSecondsAfterFinished },
  };
}
