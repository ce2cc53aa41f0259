/** `pggan start`: the objects of a manifest, one after the other, each to its end. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ErrorCode, PgganError } from '../../crds/errors.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJob } from '../../crds/v1alpha1/synthesis-job.ts';
import { datasetFolder, PHANTOM_COUNT, prepareDataset, type Source } from './data.ts';
import type { Outcome, StopWish } from './drive.ts';
import { estimate } from '../../crds/estimate.ts';
import { conclusion, shown } from './finish.ts';
import { lockRun } from './lock.ts';
import type { Manifest } from '../../crds/manifest.ts';
import type { StartOptions } from './options.ts';
import { type Screen, synthesisTeller, trainingTeller } from './render.ts';
import { runSynthesis } from './run-synthesis.ts';
import { runTraining } from './run-training.ts';
import type { RunState } from './state.ts';
import { ANSWER } from '../training/stall.ts';
import { folderUri } from './trainer.ts';
import { duration, size } from '../../crds/text.ts';

/** The manifest that runs when none is named: the one whose dataset is drawn. */
export const QUICKSTART = resolve(import.meta.dirname, '../../manifests/samples/quickstart.yaml');

export type Context = {
  readonly options: StartOptions;
  readonly quickstart: boolean;
  readonly screen: Screen;
  readonly stop: StopWish;
  /** The folder of the one object that is started, where it is not <output>/<namespace>/<name>. */
  readonly folder?: string;
};

/** Runs the objects in order; the first that does not succeed ends it. @throws {PgganError} */
export async function start(objects: readonly Manifest[], context: Context): Promise<Outcome> {
  for (const object of objects) {
    const outcome = object.kind === 'PGGANTraining' ? await train(object, context) : await synthesize(object, context);
    if (outcome !== 'succeeded') return outcome;
  }
  return 'succeeded';
}

async function train(training: PGGANTraining, context: Context): Promise<Outcome> {
  const { options, screen, stop } = context;
  const folder = folderOf(training, options.output);
  const release = lockRun(folder);
  try {
    const { folder: dataset, label: data } = await prepareDataset(
      sourceOf(training, context),
      join(resolve(options.output), 'datasets'),
      screen,
    );
    const { diskBytes, seconds, images, phases } = estimate(training.spec);
    const memoryBytes = Math.max(...phases.map((phase) => phase.memoryBytes));
    const { resolution, threads, totalKimg } = training.spec;
    screen.line(`${training.metadata.name}: ${resolution}x${resolution}, ${totalKimg} kimg (${images} images), from ${data}`);
    screen.line(
      `Run folder ${shown(folder)}; about ${size(memoryBytes)} of memory, ${size(diskBytes)} of disk and, very roughly, ${duration(seconds / 2)} to ${duration(seconds * 2)} on ${threads} threads`,
    );
    let state: RunState | undefined;
    const tell = trainingTeller(screen, folder);
    const from = training.spec.initFrom?.trainingRef;
    const source = from && resolve(options.output, training.metadata.namespace ?? 'default', from.name);
    if (source !== undefined && !existsSync(join(source, 'checkpoints'))) {
      throw new PgganError('ManifestInvalid', `spec.initFrom.trainingRef: there is no run at ${source}: train ${from?.name} first`);
    }
    announce(stop, screen, 'saving a checkpoint; this takes at most a step and a save');
    const outcome = await runTraining({ training, folder, dataset, data, ...(source !== undefined && { source }) }, stop, (next) => {
      state = next;
      tell(next);
    });
    screen.live(undefined);
    await report(outcome, folder, state, screen);
    return outcome;
  } finally {
    release();
  }
}

async function synthesize(job: SynthesisJob, { options, screen, stop, folder: given }: Context): Promise<Outcome> {
  const { namespace = 'default' } = job.metadata;
  const folder = given ?? folderOf(job, options.output);
  const { trainingRef, checkpoint } = job.spec;
  const run = trainingRef && resolve(options.output, namespace, trainingRef.name);
  if (run !== undefined && !existsSync(join(run, 'checkpoints'))) {
    throw new PgganError('ManifestInvalid', `spec.trainingRef: there is no run at ${run}: train ${trainingRef?.name} first`);
  }
  const release = lockRun(folder);
  try {
    screen.line(`${job.metadata.name}: ${job.spec.count} synthetic images in ${shown(folder)}`);
    const tell = synthesisTeller(screen);
    let state: RunState | undefined;
    announce(stop, screen, 'finishing the image in hand');
    const checkpointUri = run === undefined ? (checkpoint?.uri ?? '') : folderUri(run);
    const outcome = await runSynthesis({ job, folder, checkpointUri }, stop, (next) => {
      state = next;
      tell(next);
    });
    screen.live(undefined);
    await report(outcome, folder, state, screen);
    return outcome;
  } finally {
    release();
  }
}

/** `<output>/<namespace>/<name>`, whatever URI a cluster would use. */
function folderOf({ metadata, spec }: Manifest, output: string): string {
  const base = spec.output.uri.startsWith('file://') ? datasetFolder(spec.output.uri) : resolve(output);
  return join(base, metadata.namespace ?? 'default', metadata.name);
}

function sourceOf({ spec }: PGGANTraining, { options, quickstart }: Context): Source {
  const { resolution, seed } = spec;
  if (options.images !== undefined)
    return { kind: 'images', folder: resolve(options.images), resolution, channels: spec.network?.channels ?? 1 };
  if (options.dataset !== undefined) return { kind: 'dataset', folder: resolve(options.dataset) };
  if (quickstart || options.phantoms === true) return { kind: 'phantoms', count: PHANTOM_COUNT, resolution, seed };
  return { kind: 'dataset', folder: datasetFolder(spec.dataset.uri) };
}

function announce(stop: StopWish, screen: Screen, how: string): void {
  stop.onRaise(() => screen.line(`Stopping: ${how}.`));
}

async function report(outcome: Outcome, folder: string, state: RunState | undefined, screen: Screen): Promise<void> {
  switch (outcome) {
    case 'succeeded':
      if (state?.kind === 'PGGANTraining') for (const line of await conclusion(folder, state)) screen.line(line);
      else if (state)
        screen.line(`Finished: ${state.spec.count} synthetic images in ${shown(folder)}. They are for research, not for diagnosis.`);
      return;
    case 'stopped':
      screen.line(
        `Stopped; nothing is lost. The same command goes on where this one ended; \`npx pggan status ${shown(folder)}\` shows where that is.`,
      );
      return;
    case 'suspended':
      screen.line('spec.suspend is true: set it to false and start again to go on.');
      return;
    case 'stalled':
      throw stalledError(folder, state);
  }
}

/** What a person must mend, with the exit code that the trainer had for it. */
function stalledError(folder: string, state: RunState | undefined): PgganError {
  const stalled = state?.status?.conditions.find((condition) => condition.type === 'Stalled');
  const reason = stalled?.reason ?? 'Stalled';
  const message = (stalled?.message ?? 'see the log').replace(new RegExp(`[,;:]? ?${ANSWER}`), '');
  return new PgganError(
    CODES[reason] ?? 'TrainingFailed',
    `${reason}: ${message}. Then start it again (log: ${shown(join(folder, 'trainer.log'))})`,
  );
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  Invalid: 'OptionsInvalid',
  InvalidSpec: 'ManifestInvalid',
  FingerprintMismatch: 'FingerprintMismatch',
  DoesNotFit: 'DoesNotFit',
};
