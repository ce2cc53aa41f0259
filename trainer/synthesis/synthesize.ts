/** Draws synthetic images and keeps them: seeded by index, so that any shard, any restart and any count make the same image i. */
import { setImmediate } from 'node:timers/promises';
import { EXIT } from '../../crds/errors.ts';
import { PROGRESS_VERSION, type SynthesisProgress } from '../../crds/progress.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { prepareBackend } from '../backend/backend.ts';
import { openStore } from '../checkpoint/open-store.ts';
import type { ReportServer } from '../report/server.ts';
import { writeTermination } from '../report/termination.ts';
import type { StopRequest } from '../train/stop.ts';
import type { ImageFiles, Keeping, Watch } from './image-files.ts';
import { type Entry, openJournal } from './journal.ts';
import { type GoesOn, type Labels, labelsOf, type Latents, latentsOf } from './latents.ts';
import { claimImages, finishManifest, type ImagePlace } from './manifest.ts';
import { type OpenGenerator, openGenerator } from './open-generator.ts';
import { pixelsOf, sideOf } from './pixels.ts';
import { BLOCK_IMAGES, pngFiles } from './png-files.ts';
import { partImages, recordFiles, recordPlace } from './record-files.ts';
import { type Shard, shardOf } from './shard.ts';

/** Numbers whose drawing takes seconds, so that somebody may wonder what the process does. */
const MANY_NUMBERS = 20_000_000;

/** Makes this shard's images. Returns the exit code. @throws {PgganError} */
export async function runSynthesis(
  run: SynthesisRun,
  server: ReportServer,
  stop: StopRequest,
  print: (line: string) => void,
): Promise<number> {
  const generator = await openGenerator(run.checkpoint.uri, run.store);
  for (const warning of generator.warnings) print(`warning: ${warning}`);
  const labels = labelsOf(run, generator.shape.labelSize);
  const side = sideOf(run, generator.shape);
  const store = openStore(run.output.uri, { s3: run.store });
  await claimImages(store, run, generator);
  const format = formatOf(run, generator, side);
  const shard = shardOf(run, format.blockImages);
  const keeping: Keeping = { store, run, generator, shard, journal: await openJournal(store, run.shard), side };
  const files = await format.open(keeping);
  const teller = createTeller(keeping, server);
  const watch: Watch = { step: () => server.step(), stop, warn: (reason) => print(`warning: ${reason}; it is made again`) };
  const missing = await lookThrough(shard, files, watch);
  teller.tell({ done: shard.images - missing.length }, true);
  const isDone = !stop.requested && (await draw(keeping, files, labels, missing, { watch, teller, print })) && (await files.finish(watch));
  if (!isDone) {
    teller.tell({ state: 'Stopped', failure: { code: 'Interrupted', message: `stopped on request (${stop.reason})` } }, true);
    print(`stopped on request (${stop.reason}) after ${teller.done()} of ${shard.images} images`);
    return EXIT.stopped;
  }
  const manifest = await finishManifest(keeping, format.blockImages, format.placeOf);
  teller.tell({ state: 'Complete', ...(manifest ? { manifest } : {}) }, true);
  print(`${shard.images} synthetic images in ${store.uri}`);
  return EXIT.complete;
}

type Format = {
  readonly blockImages: number;
  readonly open: (keeping: Keeping) => Promise<ImageFiles>;
  readonly placeOf: (entry: Entry, shard: Shard) => ImagePlace;
};

function formatOf({ format = 'PNG', shards }: SynthesisRun, { shape }: OpenGenerator, side: number): Format {
  switch (format) {
    case 'PNG':
      return { blockImages: BLOCK_IMAGES, open: pngFiles, placeOf: ({ file }) => ({ file }) };
    case 'TFRecord':
      return { blockImages: partImages([shape.channels, side, side]), open: recordFiles, placeOf: recordPlace({ side, shards }) };
  }
}

type Teller = {
  readonly tell: (change: Partial<SynthesisProgress>, lasting?: boolean) => void;
  readonly done: () => number;
};

function createTeller({ generator, shard }: Keeping, server: ReportServer): Teller {
  let progress: SynthesisProgress = {
    version: PROGRESS_VERSION,
    kind: 'synthesis',
    state: 'Synthesizing',
    done: 0,
    wanted: shard.images,
    checkpoint: generator.checkpoint,
    time: new Date().toISOString(),
  };
  return {
    tell(change, lasting = false) {
      progress = { ...progress, ...change, time: new Date().toISOString() };
      server.update(progress);
      server.step();
      if (lasting) writeTermination(progress);
    },
    done: () => progress.done,
  };
}

/** Indexes of the images that are to be drawn. What a stop keeps from being looked at is among them. */
async function lookThrough(shard: Shard, files: ImageFiles, watch: Watch): Promise<readonly number[]> {
  const missing: number[] = [];
  for (let block = 0; block < shard.blocks; block++) {
    watch.step();
    const taken = watch.stop.requested ? new Map() : await files.takeUp(block, watch);
    for (const index of shard.indexes(block)) if (!taken.has(index)) missing.push(index);
  }
  return missing;
}

type Surroundings = { readonly watch: Watch; readonly teller: Teller; readonly print: (line: string) => void };

/** Draws what is missing; false where a stop was requested before the last. */
async function draw(
  { run, generator, side }: Keeping,
  files: ImageFiles,
  labels: Labels,
  missing: readonly number[],
  { watch, teller, print }: Surroundings,
): Promise<boolean> {
  const [begin] = missing;
  if (begin === undefined) return true;
  const { shape } = generator;
  const backend = await prepareBackend({
    threads: run.threads,
    device: run.device ?? 'any',
    warn: (message) => print(`warning: ${message}`),
  });
  const sampler = generator.sampler(run.minibatch, backend.kind === 'native' ? 'graph' : 'eager');
  const size = sampler.resolution ** 2 * shape.channels;
  const latents = latentsOf(run, shape.latentSize);
  if (run.latents === 'RandomState' && begin * shape.latentSize > MANY_NUMBERS)
    print(`drawing the latents of the ${begin} images before its first`);
  const goesOn = async (): Promise<boolean> => {
    watch.step();
    await setImmediate();
    return !watch.stop.requested;
  };
  const taken = teller.done();
  const started = performance.now();
  for (let first = 0; first < missing.length; first += run.minibatch) {
    const indexes = missing.slice(first, first + run.minibatch);
    const input = (await goesOn()) ? await inputOf(generator, latents, labels, indexes, goesOn) : undefined;
    if (!input) {
      await files.flush();
      return false;
    }
    const made = sampler.sample(input);
    const pixels = (place: number): Uint8Array =>
      pixelsOf(made.subarray(place * size, (place + 1) * size), sampler.resolution, shape.channels, side);
    await files.add(indexes.map((index, place) => ({ index, pixels: pixels(place) })));
    const drawn = first + indexes.length;
    teller.tell({ done: taken + drawn, imagesPerSecond: (drawn * 1000) / (performance.now() - started) }, first % 256 === 0);
  }
  sampler.dispose();
  return true;
}

/** Undefined where `goesOn` said no. */
async function inputOf({ shape }: OpenGenerator, latentsAt: Latents, labelOf: Labels, indexes: readonly number[], goesOn: GoesOn) {
  const { latentSize, labelSize } = shape;
  const latents = new Float32Array(indexes.length * latentSize);
  const labels = new Float32Array(indexes.length * labelSize);
  for (const [place, index] of indexes.entries()) {
    const vector = await latentsAt(index, goesOn);
    if (!vector) return undefined;
    latents.set(vector, place * latentSize);
    const label = labelOf(index);
    if (label !== undefined) labels[place * labelSize + label] = 1;
  }
  return { latents, ...(labelSize > 0 ? { labels } : {}) };
}
