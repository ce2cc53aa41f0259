/** From a manifest to what a trainer is told: presets, bounds and overrides are applied here, once, and nothing is left to fill in. */
import { quantityValue } from './quantity.ts';
import { BASE, MAX_MINIBATCH_PER_GPU, PRESETS, type PerResolution, type Preset } from './presets.ts';
import {
  AVERAGING_DEFAULTS,
  LOSS_DEFAULTS,
  NETWORK_DEFAULTS,
  type NetworkOptions,
  OPTIMIZER_DEFAULTS,
  RUN_VERSION,
  type StoreOptions,
  type SynthesisRun,
  type TrainingRun,
} from './run.ts';
import type { Level, Schedule } from './schedule.ts';
import { type PodTemplate, mergePodTemplate } from './v1alpha1/pod-template.ts';
import type { PGGANTraining, PGGANTrainingSpec } from './v1alpha1/pggan-training.ts';
import type { SynthesisJob } from './v1alpha1/synthesis-job.ts';

/** Where a trainer process finds things; URIs default to those of the manifest (a local run, or a mounted volume, has its own). */
export type TrainingContext = {
  readonly task: TrainingRun['task'];
  /** Name of the cluster, told apart in the run folder's owner.json; 'local' without one. */
  readonly cluster: string;
  readonly port: number;
  readonly datasetUri?: string;
  readonly runUri?: string;
  /** The checkpoint or run folder that spec.initFrom.trainingRef stands for. */
  readonly initFromUri?: string;
  /** What the pod of this process asks for. */
  readonly device?: TrainingRun['device'];
};

/** The run document of one trainer process of `training`. */
export function resolveTrainingRun(training: PGGANTraining, context: TrainingContext): TrainingRun {
  const { spec } = training;
  const initFrom = resolveInitFrom(spec, context.initFromUri);
  return {
    version: RUN_VERSION,
    kind: 'training',
    owner: ownerOf(training, context.cluster),
    task: resolveTask(spec, context.task),
    dataset: { uri: context.datasetUri ?? spec.dataset.uri },
    run: { uri: context.runUri ?? folderOf(training) },
    ...(spec.store && { store: resolveStore(spec.store) }),
    totalKimg: spec.totalKimg,
    schedule: resolveSchedule(spec),
    network: resolveNetwork(spec),
    loss: LOSS_DEFAULTS,
    optimizer: { ...OPTIMIZER_DEFAULTS, resetForNewLod: spec.optimizer?.resetForNewLod ?? OPTIMIZER_DEFAULTS.resetForNewLod },
    averaging: { decay: Number(spec.averaging?.decay ?? AVERAGING_DEFAULTS.decay) },
    precision: spec.precision,
    mirrorAugment: spec.mirrorAugment,
    seed: spec.seed,
    threads: spec.threads,
    ...(context.device && { device: context.device }),
    ...(initFrom && { initFrom }),
    ...(spec.metrics && { metrics: { ...spec.metrics } }),
    checkpoints: { ...spec.checkpoints },
    progressDeadlineSeconds: spec.progressDeadlineSeconds,
    port: context.port,
  };
}

/** A preflight is told the memory of the phases, which it cannot see from its own pod; unless its caller knows better. */
function resolveTask(spec: PGGANTrainingSpec, task: TrainingRun['task']): TrainingRun['task'] {
  if (task.kind !== 'preflight' || task.phaseMemory) return task;
  const phaseMemory = resolveSchedule(spec).levels.flatMap(({ resolution }) => {
    const phase = spec.phases?.find((entry) => entry.resolution === resolution);
    const bytes = memoryLimitBytes(mergePodTemplate(spec.template, phase?.template));
    return bytes === undefined ? [] : [{ resolution, bytes }];
  });
  return phaseMemory.length === 0 ? task : { ...task, phaseMemory };
}

/** Undefined without a limit, and with any resource of a device: there, features live in memory that is not the pod's. */
function memoryLimitBytes({ resources, resourceClaims }: PodTemplate): number | undefined {
  const { memory, ...others } = resources?.limits ?? {};
  const hasDevice = Object.keys(others).some((name) => name.includes('/')) || (resourceClaims?.length ?? 0) > 0;
  return memory === undefined || hasDevice ? undefined : quantityValue(memory);
}

export type SynthesisContext = {
  readonly cluster: string;
  readonly port: number;
  /** Which of spec.shards this process is, from 0. */
  readonly shard: number;
  /** The checkpoint or run folder: needed for spec.trainingRef, which only the caller can look up. */
  readonly checkpointUri?: string;
  readonly outputUri?: string;
  /** The training's store, used where the job names none. */
  readonly store?: PGGANTrainingSpec['store'];
  /** What the pod of this process asks for. */
  readonly device?: SynthesisRun['device'];
};

/** The run document of one shard of `job`. @throws {RangeError} when the job refers to a training and `context.checkpointUri` is absent. */
export function resolveSynthesisRun(job: SynthesisJob, context: SynthesisContext): SynthesisRun {
  const { spec } = job;
  const checkpointUri = context.checkpointUri ?? spec.checkpoint?.uri;
  if (checkpointUri === undefined) throw new RangeError(`the run folder of training ${spec.trainingRef?.name} must be looked up first`);
  const store = spec.store ?? context.store;
  return {
    version: RUN_VERSION,
    kind: 'synthesis',
    owner: ownerOf(job, context.cluster),
    checkpoint: { uri: checkpointUri },
    output: { uri: context.outputUri ?? folderOf(job) },
    ...(store && { store: resolveStore(store) }),
    count: spec.count,
    shards: spec.shards,
    shard: context.shard,
    seed: spec.seed,
    latents: spec.latents,
    ...(spec.label !== undefined && { label: spec.label }),
    ...(spec.truncation !== undefined && { truncation: Number(spec.truncation) }),
    ...(spec.resolution !== undefined && { resolution: spec.resolution }),
    // Earlier trainers read no document that names a format.
    ...(spec.format !== 'PNG' && { format: spec.format }),
    minibatch: spec.minibatch,
    threads: spec.threads,
    ...(context.device && { device: context.device }),
    port: context.port,
  };
}

/** The folder of a training's run or of a synthesis job's images: `<output.uri>/<namespace>/<name>`. */
export function folderOf(object: PGGANTraining | SynthesisJob): string {
  const { namespace = 'default', name } = object.metadata;
  return `${object.spec.output.uri.replace(/[/]+$/, '')}/${namespace}/${name}`;
}

type ScheduleSpec = Pick<PGGANTrainingSpec, 'resolution' | 'preset' | 'precision' | 'schedule' | 'phases'>;

/**
 * The schedule of a training. In rising precedence: the reference's defaults, the preset, spec.schedule (each field replaces the preset's
 * whole). The minibatches that come out are rounded down to a multiple of the preset's GPUs and bounded by maxMinibatchPerGpu x GPUs.
 * spec.phases has the last word, neither rounded nor bounded.
 */
export function resolveSchedule(spec: ScheduleSpec): Schedule {
  const preset = presetOf(spec);
  const { schedule } = spec;
  const initialResolution = schedule?.initialResolution ?? 4;
  return {
    resolution: spec.resolution,
    initialResolution,
    trainKimg: schedule?.trainKimg ?? preset.trainKimg,
    transitionKimg: schedule?.transitionKimg ?? preset.transitionKimg,
    minibatchRepeats: schedule?.minibatchRepeats ?? preset.minibatchRepeats,
    levels: resolutionsUpTo(spec.resolution).map((resolution) => resolveLevel(spec, preset, resolution)),
  };
}

function resolveLevel(spec: ScheduleSpec, preset: Preset, resolution: number): Level {
  const { schedule } = spec;
  const rates = schedule?.learningRates?.find((entry) => entry.resolution === resolution);
  const presetRates = schedule?.learningRates ? {} : preset.learningRates;
  const baseRate = presetRates[resolution] ?? Number(schedule?.learningRateBase ?? preset.learningRateBase);
  const ticks = schedule?.ticks ? entries(schedule.ticks, (entry) => entry.kimg) : schedule?.tickKimgBase === undefined ? preset.ticks : {};
  const phase = spec.phases?.find((entry) => entry.resolution === resolution);
  return {
    resolution,
    minibatch: phase?.minibatch ?? resolveMinibatch(spec, preset, resolution),
    ...(phase?.microbatch !== undefined && { microbatch: phase.microbatch }),
    generatorLearningRate: Number(phase?.generatorLearningRate ?? rates?.generatorLearningRate ?? baseRate),
    discriminatorLearningRate: Number(phase?.discriminatorLearningRate ?? rates?.discriminatorLearningRate ?? baseRate),
    tickKimg: ticks[resolution] ?? schedule?.tickKimgBase ?? preset.tickKimgBase,
  };
}

/** 0 when the preset has more GPUs than the spec has images per step: checkTraining says so. */
function resolveMinibatch({ schedule, precision }: ScheduleSpec, preset: Preset, resolution: number): number {
  const wanted = (schedule?.minibatches ? entries(schedule.minibatches, minibatchOf) : preset.minibatches)[resolution];
  const minibatch = wanted ?? schedule?.minibatchBase ?? preset.minibatchBase;
  const rounded = minibatch - (minibatch % preset.gpus);
  const bounds = schedule?.maxMinibatchPerGpu ? entries(schedule.maxMinibatchPerGpu, minibatchOf) : MAX_MINIBATCH_PER_GPU[precision];
  const bound = bounds[resolution];
  return bound === undefined ? rounded : Math.min(rounded, bound * preset.gpus);
}

const minibatchOf = (entry: { readonly minibatch: number }): number => entry.minibatch;

const entries = <T extends { readonly resolution: number }>(list: readonly T[], value: (entry: T) => number): PerResolution =>
  Object.fromEntries(list.map((entry) => [entry.resolution, value(entry)]));

const resolutionsUpTo = (resolution: number): readonly number[] =>
  Array.from({ length: Math.log2(resolution) - 1 }, (_, index) => 4 * 2 ** index);

const presetOf = (spec: Pick<PGGANTrainingSpec, 'preset'>): Preset => (spec.preset ? PRESETS[spec.preset] : BASE);

/** The networks' options of a training: its own, else the preset's, else the reference's. */
export function resolveNetwork(spec: Pick<PGGANTrainingSpec, 'network' | 'preset'>): NetworkOptions {
  const { fmapDecay, pixelnormEpsilon, ...plain } = spec.network ?? {};
  const given = Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined));
  return {
    ...NETWORK_DEFAULTS,
    mbstdGroupSize: presetOf(spec).mbstdGroupSize,
    ...given,
    ...(fmapDecay !== undefined && { fmapDecay: Number(fmapDecay) }),
    ...(pixelnormEpsilon !== undefined && { pixelnormEpsilon: Number(pixelnormEpsilon) }),
  };
}

function resolveInitFrom({ initFrom }: PGGANTrainingSpec, uri: string | undefined): TrainingRun['initFrom'] {
  if (!initFrom) return undefined;
  const source = uri ?? initFrom.checkpoint?.uri;
  if (source === undefined) throw new RangeError(`the run folder of training ${initFrom.trainingRef?.name} must be looked up first`);
  return { uri: source, ...(initFrom.startKimg !== undefined && { startKimg: initFrom.startKimg }) };
}

function resolveStore({ endpoint, region, pathStyle }: NonNullable<PGGANTrainingSpec['store']>): StoreOptions {
  return { endpoint, ...(region !== undefined && { region }), ...(pathStyle !== undefined && { pathStyle }) };
}

const ownerOf = ({ metadata }: PGGANTraining | SynthesisJob, cluster: string): TrainingRun['owner'] => ({
  cluster,
  namespace: metadata.namespace ?? 'default',
  name: metadata.name,
  uid: metadata.uid ?? '',
});
