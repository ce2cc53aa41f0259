/** The metrics of trainings and syntheses: the one table of their names, from which docs/reference/metrics.md is made, too. */
import type { PGGANTrainingStatus } from '../../crds/v1alpha1/pggan-training-status.ts';
import type { SynthesisJobStatus } from '../../crds/v1alpha1/synthesis-job.ts';
import { secondsBetween } from '../training/waits.ts';
import type { ObjectMetric, Sample } from './exposition.ts';

/** What the metrics of an object are read from. */
export type TrainingFigures = {
  readonly spec: {
    readonly resolution: number;
    readonly precision: string;
    readonly checkpoints?: { readonly everySeconds?: number };
  };
  readonly status: PGGANTrainingStatus;
};
export type SynthesisFigures = { readonly spec: { readonly count: number }; readonly status: SynthesisJobStatus };

type Condition = { readonly type: string; readonly status: string; readonly reason?: string };

const TRUTH: Readonly<Record<string, number>> = { True: 1, False: 0, Unknown: -1 };
const one = (value: number | undefined): readonly Sample[] => [[value]];
const seconds = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time) / 1000);
const conditions = (list: readonly Condition[] = []): readonly Sample[] => list.map(({ type, status }) => [TRUTH[status], type]);
/** Progressing is there from the first round on, and says in every state why it stands there. */
const reason = (list: readonly Condition[] = []): readonly Sample[] =>
  list.flatMap(({ type, reason: why }): readonly Sample[] => (type === 'Progressing' && why !== undefined ? [[1, why]] : []));

type Losses = NonNullable<NonNullable<PGGANTrainingStatus['progress']>['losses']>;

/** The current phase's as they are now, those of phases that have ended as they were at the end. */
function lossesByResolution({ progress, phases = [] }: PGGANTrainingStatus): readonly (readonly [string, Losses])[] {
  const byResolution = new Map(phases.flatMap(({ resolution, losses }) => (losses ? [[resolution, losses] as const] : [])));
  if (progress?.losses) byResolution.set(progress.resolution, progress.losses);
  return [...byResolution].map(([resolution, losses]) => [String(resolution), losses]);
}

function waits({ resolution, wait }: NonNullable<PGGANTrainingStatus['phases']>[number]): readonly Sample[] {
  if (wait?.admittedAt === undefined) return [];
  const queue: Sample = [secondsBetween(wait.queuedAt, wait.admittedAt), String(resolution), 'queue'];
  if (wait.startedAt === undefined) return [queue];
  return [queue, [secondsBetween(wait.admittedAt, wait.startedAt), String(resolution), 'pod']];
}

const ofPhases =
  (read: (phase: NonNullable<PGGANTrainingStatus['phases']>[number]) => number | undefined) =>
  ({ status }: TrainingFigures): readonly Sample[] =>
    (status.phases ?? []).map((phase) => [read(phase), String(phase.resolution)]);

const ofLosses =
  (read: (losses: Losses) => readonly (readonly [number | undefined, ...string[]])[]) =>
  ({ status }: TrainingFigures): readonly Sample[] =>
    lossesByResolution(status).flatMap(([resolution, losses]) =>
      read(losses).map(([value, ...labels]): Sample => [value, resolution, ...labels]),
    );

/** By the newest word of all: progress is told at once, a checkpoint when there is one, and a run that was found complete has told neither. */
function imagesOf({ progress, checkpoint, phases = [] }: PGGANTrainingStatus): number {
  const completed = phases.flatMap(({ state, endImages }) => (state === 'Complete' ? [endImages] : []));
  return Math.max(0, progress?.images ?? 0, checkpoint?.images ?? 0, ...completed);
}

/** A pace holds for as long as something runs; the last one would be added up with those of others for ever. */
const pace = (list: readonly Condition[] | undefined, value: number | undefined): readonly Sample[] =>
  list?.some(({ type, status }) => type === 'Progressing' && status === 'True') ? one(value) : [];

const metricOf =
  (type: ObjectMetric<never>['type']) =>
  <T>(name: string, unit: string, help: string, labels: readonly string[], samples: ObjectMetric<T>['samples']): ObjectMetric<T> => ({
    name,
    type,
    unit,
    help,
    labels,
    samples,
  });
const gauge = metricOf('gauge');
const counter = metricOf('counter');

export const TRAINING_METRICS: readonly ObjectMetric<TrainingFigures>[] = [
  gauge('pggan_training_info', '1', 'What is trained; always 1.', ['resolution', 'precision'], ({ spec }) => [
    [1, String(spec.resolution), spec.precision],
  ]),
  gauge(
    'pggan_training_condition',
    '1, 0, -1',
    'Conditions: 1 True, 0 False, -1 Unknown. Reconciling and Stalled are there only while True.',
    ['condition'],
    ({ status }) => conditions(status.conditions),
  ),
  gauge(
    'pggan_training_reason',
    '1',
    'Why it stands where it does, by the word that the page of states has for it; always 1.',
    ['reason'],
    ({ status }) => reason(status.conditions),
  ),
  gauge('pggan_training_images', 'images', 'Real images shown since the beginning of the run.', [], ({ status }) => one(imagesOf(status))),
  gauge('pggan_training_kimg', 'kimg', 'The same in thousands.', [], ({ status }) => one(imagesOf(status) / 1000)),
  gauge('pggan_training_total_kimg', 'kimg', 'Thousands of images that the run is to show.', [], ({ status }) => one(status.totalKimg)),
  gauge('pggan_training_progress_ratio', '0 to 1', 'Images shown, as a part of those wanted.', [], ({ status: { totalKimg, ...status } }) =>
    one(totalKimg === undefined ? undefined : Math.min(1, imagesOf(status) / (totalKimg * 1000))),
  ),
  gauge('pggan_training_resolution_pixels', 'pixels', 'Side of the images in training.', [], ({ status }) => one(status.resolution)),
  gauge(
    'pggan_training_lod',
    'halvings',
    'Level of detail: 0 at full resolution, fractional while a resolution fades in.',
    [],
    ({ status }) => one(status.progress?.lod),
  ),
  gauge(
    'pggan_training_loss',
    'none',
    'Mean loss of the last tick: of the current phase as it is now, of ended phases as it was at their end.',
    ['resolution', 'network'],
    ofLosses((losses) => [
      [losses.generator, 'generator'],
      [losses.discriminator, 'discriminator'],
    ]),
  ),
  gauge(
    'pggan_training_score',
    'none',
    "The discriminator's mean score of real, generated and mixed images.",
    ['resolution', 'images'],
    ofLosses((losses) => [
      [losses.realScores, 'real'],
      [losses.fakeScores, 'fake'],
      [losses.mixedScores, 'mixed'],
    ]),
  ),
  gauge(
    'pggan_training_gradient_norm',
    'none',
    'Norm of the gradient at mixed images, which the penalty pulls to 1.',
    ['resolution'],
    ofLosses((losses) => [[losses.gradientNorm]]),
  ),
  gauge('pggan_training_seconds_per_kimg', 'seconds', 'Seconds per thousand images, in the last tick; while it trains.', [], ({ status }) =>
    pace(status.conditions, status.progress?.secondsPerKimg),
  ),
  gauge('pggan_training_images_per_second', 'images', 'Images per second, in the last tick; while it trains.', [], ({ status }) =>
    pace(status.conditions, status.progress?.imagesPerSecond),
  ),
  gauge('pggan_training_progress_timestamp_seconds', 'unix time', 'When the trainer last told of its progress.', [], ({ status }) =>
    one(seconds(status.progress?.time)),
  ),
  gauge(
    'pggan_training_estimated_completion_timestamp_seconds',
    'unix time',
    'When the run will be complete at its present pace.',
    [],
    ({ status }) => one(seconds(status.estimatedCompletionTime)),
  ),
  gauge('pggan_training_checkpoint_timestamp_seconds', 'unix time', 'When the newest checkpoint was saved.', [], ({ status }) =>
    one(seconds(status.checkpoint?.time)),
  ),
  gauge(
    'pggan_training_checkpoint_interval_seconds',
    'seconds',
    'Time of training after which a checkpoint is saved, where none was due by images before.',
    [],
    ({ spec }) => one(spec.checkpoints?.everySeconds),
  ),
  gauge('pggan_training_checkpoint_images', 'images', 'Real images shown when the newest checkpoint was saved.', [], ({ status }) =>
    one(status.checkpoint?.images),
  ),
  gauge('pggan_training_checkpoint_bytes', 'bytes', 'Size of the newest checkpoint, all its files.', [], ({ status }) =>
    one(status.checkpoint?.bytes),
  ),
  gauge('pggan_training_checkpoint_save_seconds', 'seconds', 'Time that saving a checkpoint took last.', [], ({ status }) =>
    one(status.checkpointSeconds),
  ),
  counter('pggan_training_failures_total', 'pods', 'Pods that failed.', [], ({ status }) => one(status.failures)),
  counter('pggan_training_resumes_total', 'processes', 'Processes that went on from a checkpoint.', [], ({ status }) =>
    one(status.resumes),
  ),
  counter(
    'pggan_training_disruptions_total',
    'pods',
    'Pods that were evicted, preempted, lost with their node or otherwise stopped unasked.',
    [],
    ({ status }) => one(status.disruptions),
  ),
  counter(
    'pggan_training_out_of_memory_total',
    'pods',
    'Pods that were killed for want of memory; they are among those that failed.',
    [],
    ({ status }) => one(status.outOfMemory),
  ),
  gauge(
    'pggan_training_phase_wait_seconds',
    'seconds',
    "Time that a phase's newest Job waited: for its queue (stage queue), and from then on for its pod to start (stage pod). Told when it is over.",
    ['resolution', 'stage'],
    ({ status }) => (status.phases ?? []).flatMap(waits),
  ),
  gauge(
    'pggan_training_phase_start_timestamp_seconds',
    'unix time',
    'When the first process of a phase started.',
    ['resolution'],
    ofPhases(({ startTime }) => seconds(startTime)),
  ),
  gauge(
    'pggan_training_phase_pod_start_timestamp_seconds',
    'unix time',
    "When the pod of a phase's newest Job started, after it was last stopped.",
    ['resolution'],
    ofPhases(({ wait }) => seconds(wait?.startedAt)),
  ),
  gauge(
    'pggan_training_phase_completion_timestamp_seconds',
    'unix time',
    'When a phase was complete.',
    ['resolution'],
    ofPhases(({ completionTime }) => seconds(completionTime)),
  ),
  counter(
    'pggan_training_phase_attempts_total',
    'processes',
    'Processes that have trained on a phase.',
    ['resolution'],
    ofPhases(({ attempts }) => attempts),
  ),
];

export const SYNTHESIS_METRICS: readonly ObjectMetric<SynthesisFigures>[] = [
  gauge(
    'pggan_synthesisjob_condition',
    '1, 0, -1',
    'Conditions: 1 True, 0 False, -1 Unknown. Reconciling and Stalled are there only while True.',
    ['condition'],
    ({ status }) => conditions(status.conditions),
  ),
  gauge(
    'pggan_synthesisjob_reason',
    '1',
    'Why it stands where it does, by the word that the page of states has for it; always 1.',
    ['reason'],
    ({ status }) => reason(status.conditions),
  ),
  gauge('pggan_synthesisjob_images', 'images', 'Images written, over all shards.', [], ({ status }) => one(status.imagesDone)),
  gauge('pggan_synthesisjob_wanted_images', 'images', 'Images wanted, over all shards.', [], ({ spec }) => one(spec.count)),
  gauge('pggan_synthesisjob_images_per_second', 'images', 'Images per second, over all running shards; while it draws.', [], ({ status }) =>
    pace(status.conditions, status.imagesPerSecond),
  ),
  counter('pggan_synthesisjob_failures_total', 'pods', 'Pods that failed.', [], ({ status }) => one(status.failures)),
];
