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
import type { Watch } from './image-files.ts';
import { type Entry, openJournal } from './journal.ts';
import { type GoesOn, type Labels, labelsOf, type Latents, latentsOf } from './latents.ts';
import { claimImages, finishManifest } from './manifest.ts';
import { type OpenGenerator, openGenerator } from './open-generator.ts';
import { pixelsOf, sideOf } from './pixels.ts';
import { BLOCK_IMAGES, pngFiles } from './png-files.ts';
import { partImages, recordFiles, recordPlace } from './record-files.ts';
import { shardOf } from './shard.ts';

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
  const { shape } = generator;
  const labels = labelsOf(run, shape.labelSize);
  const side = sideOf(run, shape);
  const store = openStore(run.output.uri, { s3: run.store });
  await claimImages(store, run, generator);
  const asRecords = run.format === 'TFRecord';
  const blockImages = asRecords ? partImages([shape.channels, side, side]) : BLOCK_IMAGES;
  const shard = shardOf(run, blockImages);
  const keeping = { store, run, generator, shard, journal: await openJournal(store, run.shard), side };
  const files = await (asRecords ? recordFiles : pngFiles)(keeping);
  let progress: SynthesisProgress = {
    version: PROGRESS_VERSION,
    kind: 'synthesis',
    state: 'Synthesizing',
    done: 0,
    wanted: shard.images,
    checkpoint: generator.checkpoint,
    time: new Date().toISOString(),
  };
  const tell = (change: Partial<SynthesisProgress>, lasting = false): void => {
    progress = { ...progress, ...change, time: new Date().toISOString() };
    server.update(progress);
    server.step();
    if (lasting) writeTermination(progress);
  };
  const goesOn = async (): Promise<boolean> => {
    server.step();
    await setImmediate();
    return !stop.requested;
  };
  const stopped = (): number => {
    tell({ state: 'Stopped', failure: { code: 'Interrupted', message: `stopped on request (${stop.reason})` } }, true);
    print(`stopped on request (${stop.reason}) after ${progress.done} of ${shard.images} images`);
    return EXIT.stopped;
  };
  const watch: Watch = { step: () => server.step(), stop, warn: (reason) => print(`warning: ${reason}; it is made again`) };

  const missing: number[] = [];
  for (let block = 0; block < shard.blocks && !stop.requested; block++) {
    server.step();
    const taken = await files.takeUp(block, watch);
    progress = { ...progress, done: progress.done + taken.size };
    missing.push(...shard.indexes(block).filter((index) => !taken.has(index)));
  }
  tell({}, true);
  if (stop.requested) return stopped();
  const taken = progress.done;
  const started = performance.now();
  if (missing.length > 0) {
    const backend = await prepareBackend({ threads: run.threads, warn: (message) => print(`warning: ${message}`) });
    const sampler = generator.sampler(run.minibatch, backend.kind === 'native' ? 'graph' : 'eager');
    const size = sampler.resolution ** 2 * shape.channels;
    const latents = latentsOf(run, shape.latentSize);
    const before = missing[0] ?? 0;
    if (run.latents === 'RandomState' && before * shape.latentSize > MANY_NUMBERS)
      print(`drawing the latents of the ${before} images before its first`);
    for (let first = 0; first < missing.length; first += run.minibatch) {
      const indexes = missing.slice(first, first + run.minibatch);
      const input = stop.requested ? undefined : await inputOf(generator, latents, labels, indexes, goesOn);
      if (!input) {
        await files.flush();
        return stopped();
      }
      const made = sampler.sample(input);
      await files.add(
        indexes.map((index, place) => ({
          index,
          pixels: pixelsOf(made.subarray(place * size, (place + 1) * size), sampler.resolution, shape.channels, side),
        })),
      );
      const drawn = first + indexes.length;
      tell({ done: taken + drawn, imagesPerSecond: (drawn * 1000) / (performance.now() - started) }, first % 256 === 0);
      await setImmediate();
    }
    sampler.dispose();
  }
  if (!(await files.finish(watch))) return stopped();
  const placeOf = asRecords ? recordPlace({ side, shards: run.shards }) : ({ file }: Entry) => ({ file });
  const manifest = await finishManifest(keeping, blockImages, placeOf);
  tell({ state: 'Complete', ...(manifest ? { manifest } : {}) }, true);
  print(`${shard.images} synthetic images in ${store.uri}`);
  return EXIT.complete;
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
