/** From a SynthesisJob and a decision to the Indexed Job that carries it out: one pod per shard. */
import { resolveSynthesisRun } from '../../crds/resolve.ts';
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJob } from '../../crds/v1alpha1/synthesis-job.ts';
import { jobMetadata, LABELS, labelsOf } from '../jobs/metadata.ts';
import { defaultImage, type JobConfig, promisedDevice, trainerPod } from '../jobs/pod.ts';
import { shardedJob } from '../jobs/spec.ts';
import { claimUri, claimVolumes, mountedUri, scratchVolume, storeVolumes } from '../jobs/volumes.ts';
import type { Job } from '../jobs/wire.ts';
import type { Action } from '../training/decision.ts';
import type { SynthesisObject, SynthesisTask } from './observed.ts';

export type SynthesisFacts = {
  /** The trainer's image, fixed when the work began. */
  readonly image?: string;
  /** Side of the images that the training's network draws, where the job names a training. */
  readonly resolution?: number;
  /** The store of the training whose generator draws. */
  readonly store?: PGGANTrainingSpec['store'];
};

type CreateJob = Extract<Action<SynthesisTask>, { kind: 'createJob' }>;

/** Seconds to end a minibatch and its files in. */
const GRACE_SECONDS = 60;
/** Room for the checkpoint, the compiled network and compiler caches. */
const SCRATCH_BYTES = 4 * 2 ** 30;

/** As TFRecords, the dataset of a shard is put together in scratch space: all resolutions, of colour images where nobody knows better. */
function scratchBytes({ format, count, shards, resolution }: SynthesisJob['spec'], facts: SynthesisFacts): number {
  if (format === 'PNG') return SCRATCH_BYTES;
  const side = resolution ?? facts.resolution ?? 1024;
  return SCRATCH_BYTES + Math.ceil(count / shards) * 3 * side * side * (4 / 3);
}

/** The Job of a decision to create one. All its pods share one run document; each learns its shard from its completion index. */
export function synthesisJob({ metadata, spec }: SynthesisObject, create: CreateJob, facts: SynthesisFacts, config: JobConfig): Job {
  const object: SynthesisJob = { apiVersion: API_VERSION, kind: 'SynthesisJob', metadata, spec };
  const store = spec.store ?? facts.store;
  const checkpointUri = claimUri(create.task.checkpointUri);
  const { cluster, port } = config;
  const template = spec.template ?? {};
  const device = promisedDevice(template);
  const named = resolveSynthesisRun(object, {
    cluster,
    port,
    shard: 0,
    checkpointUri,
    ...(store && { store }),
    ...(device && { device }),
  });
  const run = { ...named, checkpoint: { uri: mountedUri(checkpointUri) }, output: { uri: mountedUri(named.output.uri) } };
  const labels = labelsOf('synthesis', { [LABELS.synthesis]: metadata.name });
  const pod = trainerPod({
    template,
    labels,
    image: template.image ?? facts.image ?? defaultImage([template], config),
    run,
    graceSeconds: GRACE_SECONDS,
    mounted: [
      claimVolumes([
        { uri: checkpointUri, writes: false },
        { uri: named.output.uri, writes: true },
      ]),
      storeVolumes(store),
      scratchVolume(scratchBytes(spec, facts)),
    ],
    sharded: true,
  });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: jobMetadata({ kind: 'SynthesisJob', metadata }, create, labels, spec.queue),
    spec: shardedJob(pod, spec.shards, create.backoffLimit, create.queued),
  };
}
