/** From a PGGANTraining and a decision to the Job that carries it out: a pure function, so that the same decision makes the same Job. */
import { variableBytes } from '../../crds/cost.ts';
import { resolveNetwork, resolveTrainingRun } from '../../crds/resolve.ts';
import type { Phase } from '../../crds/schedule.ts';
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { mergePodTemplate, type PodTemplate } from '../../crds/v1alpha1/pod-template.ts';
import { jobMetadata, LABELS, labelsOf } from '../jobs/metadata.ts';
import { defaultImage, type JobConfig, promisedDevice, trainerPod } from '../jobs/pod.ts';
import { singleJob } from '../jobs/spec.ts';
import { claimVolumes, mountedUri, scratchVolume, storeVolumes } from '../jobs/volumes.ts';
import type { Job } from '../jobs/wire.ts';
import type { Action } from './decision.ts';
import { taskDigest } from './digest.ts';
import type { TrainingObject } from './expectation.ts';
import type { Task } from './observed.ts';
import { jobName } from './plan.ts';

/** What a Job needs to know besides its training. */
export type TrainingFacts = {
  /** The trainer's image, fixed when the training was accepted. */
  readonly image?: string;
  /** The run folder that spec.initFrom.trainingRef stands for. */
  readonly initFromUri?: string;
  /** Seconds that a checkpoint took last to save, as the trainer says; absent before the first. */
  readonly checkpointSeconds?: number;
};

type CreateJob = Extract<Action, { kind: 'createJob' }>;

/** The Job of a decision to create one. The caller POSTs it; it is never applied again. */
export function trainingJob(training: TrainingObject, create: CreateJob, facts: TrainingFacts, config: JobConfig): Job {
  const { spec, metadata } = training;
  const { task } = create;
  const resolution = task.kind === 'train' ? task.resolution : undefined;
  const object: PGGANTraining = { apiVersion: API_VERSION, kind: 'PGGANTraining', metadata, spec };
  const { initFromUri } = facts;
  const template = templateOf(spec, task);
  const device = promisedDevice(template);
  const named = resolveTrainingRun(object, {
    task: task.kind === 'train' ? { kind: 'train', resolution: task.resolution } : task,
    cluster: config.cluster,
    port: config.port,
    ...(initFromUri !== undefined && { initFromUri }),
    ...(device && { device }),
  });
  const run = {
    ...named,
    dataset: { uri: mountedUri(named.dataset.uri) },
    run: { uri: mountedUri(named.run.uri) },
    ...(named.initFrom && { initFrom: { ...named.initFrom, uri: mountedUri(named.initFrom.uri) } }),
  };
  const labels = labelsOf(task.kind === 'train' ? 'training' : 'preflight', {
    [LABELS.training]: metadata.name,
    ...(resolution !== undefined && { [LABELS.resolution]: String(resolution) }),
  });
  const pod = trainerPod({
    template,
    labels,
    image: template.image ?? facts.image ?? imageFor(spec, config),
    run,
    graceSeconds: graceSeconds(training, task, facts.checkpointSeconds),
    mounted: [
      claimVolumes([
        { uri: named.dataset.uri, writes: false },
        { uri: named.run.uri, writes: true },
        { uri: named.initFrom?.uri, writes: false },
      ]),
      storeVolumes(spec.store),
      scratchVolume(scratchBytes(training, task)),
    ],
    sharded: false,
  });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: jobMetadata({ kind: 'PGGANTraining', metadata }, create, labels, spec.queue),
    spec: singleJob(pod, create.backoffLimit, create.queued),
  };
}

/** The image that a training is accepted with: of the phases, of which any may be promised a GPU. */
export function imageFor({ template = {}, phases = [] }: TrainingObject['spec'], config: JobConfig): string {
  return defaultImage([template, ...phases.map((phase) => mergePodTemplate(template, phase.template))], config);
}

/**
 * Every Job that a training may come to need, as it would be built now: dry-run at its acceptance, so that a quota or a policy that refuses the
 * last phase is not met in a week.
 */
export function jobsToTry(training: TrainingObject, phases: readonly Phase[], facts: TrainingFacts, config: JobConfig): readonly Job[] {
  const trained = phases.map(({ resolution, endImages }): Task => ({ kind: 'train', resolution, endImages }));
  const queued = training.spec.queue !== undefined;
  return [{ kind: 'preflight' } as const, ...trained].map((task) => {
    const name = jobName(training.metadata.name, task);
    const backoffLimit = training.spec.maxRestarts;
    return trainingJob(
      training,
      { kind: 'createJob', name, task, digest: taskDigest(training.spec, task), backoffLimit, queued },
      facts,
      config,
    );
  });
}

/** A preflight reads the dataset through and loads no networks: it goes where the phases go, without their GPUs. 180 MiB of memory were seen. */
const PREFLIGHT_RESOURCES: NonNullable<PodTemplate['resources']> = {
  requests: { cpu: '250m', memory: '512Mi' },
  limits: { memory: '1Gi' },
};

function templateOf(spec: TrainingObject['spec'], task: Task): PodTemplate {
  if (task.kind === 'preflight') {
    const { resourceClaims: _, ...rest } = spec.template ?? {};
    return { ...rest, resources: PREFLIGHT_RESOURCES };
  }
  return mergePodTemplate(spec.template, spec.phases?.find(({ resolution }) => resolution === task.resolution)?.template);
}

/** A step in flight must end before the run is saved. */
const STEP_SECONDS = 60;
/** What a checkpoint of unknown cost is taken to be written at: a store over a busy network. */
const SLOW_STORE_BYTES_PER_SECOND = 20e6;

/** What a trainer says is not trusted: a longer grace would only keep a lost node's pod from being noticed. */
const LONGEST_SAVE_SECONDS = 1800;

/** Twice what saving takes, and a step. A process that is done sooner ends sooner. */
function graceSeconds({ spec }: TrainingObject, task: Task, checkpointSeconds: number | undefined): number {
  if (task.kind === 'preflight') return 30;
  const estimate = variableBytes(resolveNetwork(spec), spec.resolution) / SLOW_STORE_BYTES_PER_SECOND;
  return STEP_SECONDS + Math.ceil(2 * Math.min(LONGEST_SAVE_SECONDS, checkpointSeconds ?? estimate));
}

/** Room for the compiled step, compiler caches and logs. */
const SCRATCH_BYTES = 2 * 2 ** 30;

/** The dataset's file of the phase and two checkpoints (the one that is resumed from, the one on its way to the store). */
function scratchBytes({ spec, status }: TrainingObject, task: Task): number {
  if (task.kind === 'preflight') return SCRATCH_BYTES;
  const datasetBytes = status?.datasetBytes?.[String(task.resolution)] ?? 0;
  return SCRATCH_BYTES + datasetBytes + 2 * variableBytes(resolveNetwork(spec), spec.resolution);
}
