/** Writes synthetic images as PNG files: seeded by index, so that any shard, any restart and any count make the same image i. */
import { setImmediate } from 'node:timers/promises';
import { EXIT } from '../../crds/errors.ts';
import { PROGRESS_VERSION, type SynthesisProgress } from '../../crds/progress.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { prepareBackend } from '../backend/backend.ts';
import { digestOf } from '../checkpoint/format.ts';
import { openStore } from '../checkpoint/open-store.ts';
import type { Store } from '../checkpoint/store.ts';
import type { ReportServer } from '../report/server.ts';
import { writeTermination } from '../report/termination.ts';
import type { StopRequest } from '../train/stop.ts';
import { existingImages } from './existing.ts';
import { identityOf, imageKey, imagePng } from './image.ts';
import { type GoesOn, type Labels, labelsOf, type Latents, latentsOf } from './latents.ts';
import { claimImages, finishManifest, type ManifestImage } from './manifest.ts';
import { type OpenGenerator, openGenerator } from './open-generator.ts';
import { pixelsOf, sideOf } from './pixels.ts';

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
  const wanted = shardIndexes(run);
  let progress: SynthesisProgress = {
    version: PROGRESS_VERSION,
    kind: 'synthesis',
    state: 'Synthesizing',
    done: 0,
    wanted: wanted.length,
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
  const { images, refused } = await existingImages(store, run, generator, wanted, { step: () => server.step(), stop });
  for (const reason of refused) print(`warning: ${reason}; it is made again`);
  const missing = wanted.filter((index) => !images.has(index));
  const started = performance.now();
  tell({ done: images.size }, true);
  if (missing.length > 0) {
    const backend = await prepareBackend({ threads: run.threads, warn: (message) => print(`warning: ${message}`) });
    const sampler = generator.sampler(run.minibatch, backend.kind === 'native' ? 'graph' : 'eager');
    const size = sampler.resolution ** 2 * shape.channels;
    const latents = latentsOf(run, shape.latentSize);
    for (let first = 0; first < missing.length; first += run.minibatch) {
      const indexes = missing.slice(first, first + run.minibatch);
      const input = stop.requested ? undefined : await inputOf(generator, latents, labels, indexes, goesOn);
      if (!input) {
        tell({ state: 'Stopped', failure: { code: 'Interrupted', message: `stopped on request (${stop.reason})` } }, true);
        print(`stopped on request (${stop.reason}) after ${images.size} of ${wanted.length} images`);
        return EXIT.stopped;
      }
      const made = sampler.sample(input);
      for (const [place, index] of indexes.entries()) {
        const pixels = pixelsOf(made.subarray(place * size, (place + 1) * size), sampler.resolution, shape.channels, side);
        images.set(index, await writeImage(store, run, generator, index, pixels, side));
      }
      tell({ done: images.size, imagesPerSecond: ((first + indexes.length) * 1000) / (performance.now() - started) }, first % 256 === 0);
      await setImmediate();
    }
    sampler.dispose();
  }
  const manifest = await finishManifest(store, run, generator, [...images.values()]);
  tell({ state: 'Complete', ...(manifest ? { manifest } : {}) }, true);
  print(`${images.size} synthetic images in ${store.uri}`);
  return EXIT.complete;
}

/** Every image whose index leaves the shard's number when divided by the number of shards. */
function shardIndexes({ count, shards, shard }: SynthesisRun): readonly number[] {
  return Array.from({ length: Math.ceil((count - shard) / shards) }, (_, i) => shard + i * shards);
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

async function writeImage(
  store: Store,
  run: SynthesisRun,
  generator: OpenGenerator,
  index: number,
  pixels: Uint8Array,
  side: number,
): Promise<ManifestImage> {
  const { shape, record } = generator;
  const png = imagePng(pixels, { side, channels: shape.channels }, record, identityOf(run, generator, index));
  const file = imageKey(index);
  await store.write(file, [png]);
  return { index, file, sha256: digestOf([png]).sha256 };
}
