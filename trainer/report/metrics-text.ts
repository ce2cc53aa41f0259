/** Renders a progress document as Prometheus text: base units, one family per quantity, nothing that /progress does not say. */
import type { Progress, SynthesisProgress, TrainingProgress } from '../../crds/progress.ts';

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number | undefined];
type Family = { readonly name: string; readonly help: string; readonly samples: readonly Sample[] };

/** The content type that goes with the text. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Prometheus text format 0.0.4. Quantities that the document lacks are left out. */
export function metricsText(progress: Progress): string {
  return familiesOf(progress)
    .map((family) => ({ ...family, samples: family.samples.filter(([, value]) => value !== undefined) }))
    .filter(({ samples }) => samples.length > 0)
    .map(render)
    .join('');
}

function familiesOf(progress: Progress): readonly Family[] {
  switch (progress.kind) {
    case 'training':
      return trainingFamilies(progress);
    case 'synthesis':
      return synthesisFamilies(progress);
    case 'preflight':
      return [];
  }
}

function trainingFamilies(progress: TrainingProgress): readonly Family[] {
  const { resolution, losses, checkpoint } = progress;
  const at = { resolution };
  const checkpointTime = checkpoint && Date.parse(checkpoint.time) / 1000;
  return [
    gauge('pggan_trainer_images', 'Real images shown since the beginning of the run.', progress.images),
    gauge('pggan_trainer_phase_end_images', 'Images after which the phase of this process ends.', progress.phaseEndImages),
    gauge('pggan_trainer_kimg', 'Thousands of real images shown since the beginning of the run.', progress.images / 1000),
    gauge('pggan_trainer_epochs', 'Passes over the dataset.', progress.epochs),
    gauge('pggan_trainer_resolution_pixels', 'Side of the images being trained on.', resolution),
    gauge('pggan_trainer_lod', 'Level of detail: 0 at full resolution, fractional within a fade-in.', progress.lod),
    gauge('pggan_trainer_minibatch_images', 'Images per discriminator step.', progress.minibatch),
    family('pggan_trainer_loss', 'Mean loss over the last tick.', [
      [{ network: 'generator', ...at }, losses?.generator],
      [{ network: 'discriminator', ...at }, losses?.discriminator],
    ]),
    family('pggan_trainer_score', 'Mean score that the discriminator gave over the last tick.', [
      [{ images: 'real', ...at }, losses?.realScores],
      [{ images: 'fake', ...at }, losses?.fakeScores],
      [{ images: 'mixed', ...at }, losses?.mixedScores],
    ]),
    family('pggan_trainer_gradient_norm', 'Mean norm of the gradient that the gradient penalty holds to its target.', [
      [at, losses?.gradientNorm],
    ]),
    family('pggan_trainer_seconds_per_kimg', 'Seconds per thousand images over the last tick.', [[at, progress.secondsPerKimg]]),
    family('pggan_trainer_images_per_second', 'Images per second over the last tick.', [[at, progress.imagesPerSecond]]),
    gauge('pggan_trainer_checkpoint_images', 'Images shown at the newest checkpoint.', checkpoint?.images),
    gauge(
      'pggan_trainer_checkpoint_timestamp_seconds',
      'When the newest checkpoint was made, in Unix time; its age is time() minus this.',
      checkpointTime,
    ),
    gauge('pggan_trainer_checkpoint_bytes', 'Size of the newest checkpoint, all its files.', checkpoint?.bytes),
    gauge('pggan_trainer_checkpoint_save_seconds', 'Time that this process took to save its last checkpoint.', progress.checkpointSeconds),
    gauge('pggan_trainer_attempt', 'Processes that have trained on this run, this one included.', progress.attempt),
    gauge('pggan_trainer_progress_timestamp_seconds', 'When these figures were taken, in Unix time.', Date.parse(progress.time) / 1000),
  ];
}

function synthesisFamilies(progress: SynthesisProgress): readonly Family[] {
  return [
    gauge('pggan_synthesis_images_done', 'Images that this process has written.', progress.done),
    gauge('pggan_synthesis_images_wanted', 'Images that this process is to write.', progress.wanted),
    gauge('pggan_synthesis_images_per_second', 'Images per second.', progress.imagesPerSecond),
    gauge('pggan_synthesis_progress_timestamp_seconds', 'When these figures were taken, in Unix time.', Date.parse(progress.time) / 1000),
  ];
}

function gauge(name: string, help: string, value: number | undefined): Family {
  return family(name, help, [[{}, value]]);
}

function family(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, samples };
}

function render({ name, help, samples }: Family): string {
  const lines = samples.map(([labels, value]) => `${name}${renderLabels(labels)} ${renderNumber(value ?? Number.NaN)}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines, ''].join('\n');
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${String(value).replaceAll(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`,
  );
  return pairs.length > 0 ? `{${pairs.join()}}` : '';
}

function renderNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
