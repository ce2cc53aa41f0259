/** Renders a progress document as Prometheus text: base units, one family per quantity, nothing that /progress does not say. */
import type { Progress, SynthesisProgress, TrainingProgress } from '../../crds/progress.ts';

/** One quantity; `samples` may be absent in a document, and is then left out. */
type Family<T> = {
  readonly name: string;
  /** For the documentation: what the value counts in. */
  readonly unit: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (progress: T) => readonly Sample[];
};
type Sample = readonly [value: number | undefined, ...labels: readonly (string | number)[]];

/** The content type that goes with the text. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Prometheus text format 0.0.4. Quantities that the document lacks are left out. */
export function metricsText(progress: Progress): string {
  switch (progress.kind) {
    case 'training':
      return FAMILIES.training.map((family) => render(family, progress)).join('');
    case 'synthesis':
      return FAMILIES.synthesis.map((family) => render(family, progress)).join('');
    case 'preflight':
      return '';
  }
}

const unixTime = (time: string): number => Date.parse(time) / 1000;

const family = <T>(
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  samples: (progress: T) => readonly Sample[],
): Family<T> => ({ name, unit, help, labels, samples });
const gauge = <T>(name: string, unit: string, help: string, value: (progress: T) => number | undefined): Family<T> =>
  family(name, unit, help, [], (progress) => [[value(progress)]]);

const TRAINING: readonly Family<TrainingProgress>[] = [
  gauge('pggan_trainer_images', 'images', 'Real images shown since the beginning of the run.', ({ images }) => images),
  gauge('pggan_trainer_phase_end_images', 'images', 'Images after which the phase of this process ends.', (p) => p.phaseEndImages),
  gauge('pggan_trainer_kimg', 'kimg', 'Thousands of real images shown since the beginning of the run.', ({ images }) => images / 1000),
  gauge('pggan_trainer_epochs', 'passes', 'Passes over the dataset.', ({ epochs }) => epochs),
  gauge('pggan_trainer_resolution_pixels', 'pixels', 'Side of the images being trained on.', ({ resolution }) => resolution),
  gauge('pggan_trainer_lod', 'halvings', 'Level of detail: 0 at full resolution, fractional within a fade-in.', ({ lod }) => lod),
  gauge('pggan_trainer_minibatch_images', 'images', 'Images per discriminator step.', ({ minibatch }) => minibatch),
  family('pggan_trainer_loss', 'none', 'Mean loss over the last tick.', ['network', 'resolution'], ({ losses, resolution }) => [
    [losses?.generator, 'generator', resolution],
    [losses?.discriminator, 'discriminator', resolution],
  ]),
  family(
    'pggan_trainer_score',
    'none',
    'Mean score that the discriminator gave over the last tick.',
    ['images', 'resolution'],
    ({ losses, resolution }) => [
      [losses?.realScores, 'real', resolution],
      [losses?.fakeScores, 'fake', resolution],
      [losses?.mixedScores, 'mixed', resolution],
    ],
  ),
  family(
    'pggan_trainer_gradient_norm',
    'none',
    'Mean norm of the gradient that the gradient penalty holds to its target.',
    ['resolution'],
    ({ losses, resolution }) => [[losses?.gradientNorm, resolution]],
  ),
  family('pggan_trainer_seconds_per_kimg', 'seconds', 'Seconds per thousand images over the last tick.', ['resolution'], (p) => [
    [p.secondsPerKimg, p.resolution],
  ]),
  family('pggan_trainer_images_per_second', 'images', 'Images per second over the last tick.', ['resolution'], (p) => [
    [p.imagesPerSecond, p.resolution],
  ]),
  gauge('pggan_trainer_checkpoint_images', 'images', 'Images shown at the newest checkpoint.', ({ checkpoint }) => checkpoint?.images),
  gauge(
    'pggan_trainer_checkpoint_timestamp_seconds',
    'unix time',
    'When the newest checkpoint was made, in Unix time; its age is time() minus this.',
    ({ checkpoint }) => checkpoint && unixTime(checkpoint.time),
  ),
  gauge('pggan_trainer_checkpoint_bytes', 'bytes', 'Size of the newest checkpoint, all its files.', ({ checkpoint }) => checkpoint?.bytes),
  gauge(
    'pggan_trainer_checkpoint_save_seconds',
    'seconds',
    'Time that this process took to save its last checkpoint.',
    ({ checkpointSeconds }) => checkpointSeconds,
  ),
  gauge('pggan_trainer_attempt', 'processes', 'Processes that have trained on this run, this one included.', ({ attempt }) => attempt),
  gauge('pggan_trainer_progress_timestamp_seconds', 'unix time', 'When these figures were taken, in Unix time.', ({ time }) =>
    unixTime(time),
  ),
];

const SYNTHESIS: readonly Family<SynthesisProgress>[] = [
  gauge('pggan_synthesis_images_done', 'images', 'Images that this process has written.', ({ done }) => done),
  gauge('pggan_synthesis_images_wanted', 'images', 'Images that this process is to write.', ({ wanted }) => wanted),
  gauge('pggan_synthesis_images_per_second', 'images', 'Images per second.', ({ imagesPerSecond }) => imagesPerSecond),
  gauge('pggan_synthesis_progress_timestamp_seconds', 'unix time', 'When these figures were taken, in Unix time.', ({ time }) =>
    unixTime(time),
  ),
];

/** What a process tells, by what it does; docs/reference/metrics.md is made of it, too. */
export const FAMILIES = { training: TRAINING, synthesis: SYNTHESIS } as const;

function render<T>({ name, help, labels, samples }: Family<T>, progress: T): string {
  const lines = samples(progress).flatMap(([value, ...values]) =>
    value === undefined ? [] : [`${name}${renderLabels(labels, values)} ${renderNumber(value)}`],
  );
  return lines.length === 0 ? '' : [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines, ''].join('\n');
}

function renderLabels(names: readonly string[], values: readonly (string | number)[]): string {
  const pairs = names.map((name, at) => `${name}="${String(values[at]).replaceAll(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`);
  return pairs.length > 0 ? `{${pairs.join()}}` : '';
}

function renderNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
