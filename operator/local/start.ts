/** `pggan start`: the objects of a manifest, one after the other, each to its end. */
import { join, resolve } from 'node:path';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJob } from '../../crds/v1alpha1/synthesis-job.ts';
import { PgganError } from '../../crds/errors.ts';
import { prepareDataset, sourceOf } from './data.ts';
import type { Outcome, StopWish } from './drive.ts';
import { estimate } from '../../crds/estimate.ts';
import { shown } from './finish.ts';
import { lockRun } from './lock.ts';
import type { Manifest } from '../../crds/manifest.ts';
import type { StartOptions } from './options.ts';
import { baseOf, isRemote, type Keeping, type Place, placeOf, refuseForeignPlace, refuseSharedPlaces } from './places.ts';
import { type Screen, synthesisTeller, trainingTeller } from './render.ts';
import { announceStop, report } from './report.ts';
import type { Result } from './run-object.ts';
import { runSynthesis } from './run-synthesis.ts';
import { runTraining } from './run-training.ts';
import { type Source, sourceRun } from './source-run.ts';
import { refuseFullDisk } from './space.ts';
import type { RunState } from './state.ts';
import { duration, size } from '../../crds/text.ts';

/** The manifest that runs when none is named: the one whose dataset is drawn. */
export const QUICKSTART = resolve(import.meta.dirname, '../../manifests/samples/quickstart.yaml');

export type Context = {
  readonly options: StartOptions;
  readonly quickstart: boolean;
  readonly screen: Screen;
  readonly stop: StopWish;
  /** Where the one object that is started is kept, if not where its manifest and --output say. */
  readonly place?: Place;
};

/** Runs the objects in order, what others refer to first; the first that does not succeed ends it. @throws {PgganError} */
export async function start(objects: readonly Manifest[], context: Context): Promise<Outcome> {
  const placed = inOrder(objects).map((object) => ({
    object,
    place: context.place ?? placeOf(object, keepingOf(object, objects, context)),
  }));
  refuseSharedPlaces(placed);
  for (const { object, place } of placed) refuseForeignPlace(object, place);
  for (const { object, place } of placed) {
    if (context.stop.reason !== undefined) return 'stopped';
    sayWhere(object, place, context);
    const release = lockRun(place.folder);
    try {
      const outcome = await (object.kind === 'PGGANTraining'
        ? train(object, place, objects, context)
        : synthesize(object, place, objects, context));
      if (outcome !== 'succeeded') return outcome;
    } finally {
      release();
    }
  }
  return 'succeeded';
}

async function train(training: PGGANTraining, place: Place, objects: readonly Manifest[], context: Context): Promise<Outcome> {
  const { options, quickstart, screen, stop } = context;
  const { initFrom, resolution, threads, totalKimg } = training.spec;
  const source =
    initFrom?.trainingRef &&
    sourceRun('spec.initFrom.trainingRef', initFrom.trainingRef.name, training, objects, keepingOfTrainings(context));
  if (source && source.now().checkpointUri === undefined)
    throw new PgganError(
      'ManifestInvalid',
      `spec.initFrom.trainingRef: the run in ${source.place.uri} has no checkpoint yet: train it first`,
    );
  const dataset = await prepareDataset(
    sourceOf(training, options, quickstart),
    join(baseOf({ output: options.output, atHome: true }), 'datasets'),
    screen,
    stop,
  );
  if (!dataset) {
    screen.line('Stopped; nothing of the unfinished dataset is kept. The same command makes it anew.');
    return 'stopped';
  }
  const expected = estimate(training.spec);
  const memoryBytes = Math.max(...expected.phases.map((phase) => phase.memoryBytes));
  const time = `${duration(expected.seconds / 2)} to ${duration(expected.seconds * 2)}`;
  screen.line(`${training.metadata.name}: ${resolution}x${resolution} pixels, ${totalKimg} kimg (${expected.images} images shown)`);
  screen.line(`  data        ${dataset.label}`);
  screen.line(`  run folder  ${isRemote(place) ? place.uri : shown(place.folder)}`);
  screen.line(`  takes       about ${size(memoryBytes)} of memory and ${size(expected.diskBytes)} of disk`);
  screen.line(`  time        very roughly ${time} on ${threads} thread${threads === 1 ? '' : 's'} with AVX-512, longer without`);
  if (!isRemote(place)) refuseFullDisk(place.folder, expected, (warning) => screen.line(`warning: ${warning}`));
  const local = { training, place, datasetUri: dataset.uri, data: dataset.label, ...(source && { sourceUri: source.place.uri }) };
  const told = trainingTeller(screen, place);
  const forget = announceStop(stop, screen, 'saving a checkpoint; this takes at most a step and a save');
  const result = await runTraining(local, stop, { told, said: (line) => screen.line(line) }).finally(forget);
  return finish(result, place, context);
}

async function synthesize(job: SynthesisJob, place: Place, objects: readonly Manifest[], context: Context): Promise<Outcome> {
  const { screen, stop } = context;
  const source = drawnFrom(job, objects, context);
  screen.line(`${job.metadata.name}: ${job.spec.count} synthetic images in ${isRemote(place) ? place.uri : shown(place.folder)}`);
  const told = synthesisTeller(screen);
  const listener = { told, said: (line: string) => screen.line(line) };
  const forget = announceStop(stop, screen, 'finishing the image in hand');
  const result = await runSynthesis({ job, place, ...(source && { source }) }, stop, listener).finally(forget);
  return finish(result, place, context);
}

async function finish(result: Result<RunState>, place: Place, context: Context): Promise<Outcome> {
  context.screen.live(undefined);
  return report(result, place, context);
}

const drawnFrom = (job: SynthesisJob, objects: readonly Manifest[], context: Context): Source | undefined =>
  job.spec.trainingRef && sourceRun('spec.trainingRef', job.spec.trainingRef.name, job, objects, keepingOfTrainings(context));

const keepingOfTrainings = ({ options: { output }, quickstart }: Context): Keeping => ({ output, atHome: quickstart });

/** A job in s3:// that names no store of its own stays at home with the training it draws from. */
function keepingOf(object: Manifest, objects: readonly Manifest[], context: Context): Keeping {
  const keeping = keepingOfTrainings(context);
  if (object.kind === 'PGGANTraining' || !object.spec.output.uri.startsWith('s3://') || object.spec.store) return keeping;
  const source = drawnFrom(object, objects, context);
  return { ...keeping, atHome: source !== undefined && !isRemote(source.place) };
}

/** Each after those that it refers to, otherwise in the order of the file. */
function inOrder(objects: readonly Manifest[]): readonly Manifest[] {
  const waiting = [...objects];
  const ordered: Manifest[] = [];
  while (waiting.length > 0) {
    const free = waiting.findIndex((object) => !waiting.some((other) => other !== object && refersTo(object, other)));
    ordered.push(...waiting.splice(Math.max(0, free), 1));
  }
  return ordered;
}

function refersTo(object: Manifest, other: Manifest): boolean {
  const name = object.kind === 'PGGANTraining' ? object.spec.initFrom?.trainingRef?.name : object.spec.trainingRef?.name;
  const sameNamespace = (object.metadata.namespace ?? 'default') === (other.metadata.namespace ?? 'default');
  return other.kind === 'PGGANTraining' && sameNamespace && other.metadata.name === name;
}

/** Says so where an object is not kept where its manifest asks; the quick start is meant to be at home. */
function sayWhere({ metadata, spec }: Manifest, place: Place, { options, quickstart, place: given, screen }: Context): void {
  if (quickstart || given || place.uri.startsWith(spec.output.uri.replace(/[/]+$/, ''))) return;
  const why = options.output === undefined ? 'its training is kept there, too' : '--output is given';
  screen.line(`${metadata.name} is kept in ${shown(place.folder)}, not in ${spec.output.uri}: ${why}`);
}
