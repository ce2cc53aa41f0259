/** Measures what feeds the step: records read, checked, shuffled and made into a batch, beside Python tf.data over the same file in turns. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Dataset, openDataset } from '../trainer/data/dataset.ts';
import { createPhantoms } from '../trainer/data/phantoms.ts';
import { discriminatorFeeds, type FeedSource, generatorFeeds } from '../trainer/train/feeds.ts';
import { createRandom } from '../trainer/train/random.ts';
import { stepOptions } from './cases.ts';
import type { Child } from './child.ts';
import { median } from '../trainer/plan/median.ts';
import { startTwin } from './twin.ts';

export type DataRunOptions = {
  readonly resolutions: readonly number[];
  readonly minibatch: number;
  readonly images: number;
  /** Rounds, in which ours and Python's take turns. */
  readonly iterations: number;
  readonly threads: number;
  readonly note: (text: string) => void;
};

export type DataResult = {
  readonly resolution: number;
  readonly minibatch: number;
  readonly images: number;
  readonly iterations: number;
  /** All feeds of both steps of a thousand real images: reals, latents, mixing factors. */
  readonly secondsPerKimg: number;
  /** Of those, reading alone. */
  readonly imagesReadPerSecond: number;
  readonly megabytesReadPerSecond: number;
  /** tf.data: parse, shuffle, batch, cast and prefetch. */
  readonly twin?: { readonly secondsPerKimg: number };
  readonly timeOverTwin?: number;
};

/** One dataset of phantoms, in a folder that is removed again; its files are in the page cache for both. */
export async function measureData(options: DataRunOptions, report: (result: DataResult) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pggan-bench-data-'));
  try {
    const target = join(folder, 'phantoms');
    options.note(`drawing ${options.images} phantoms`);
    await createPhantoms({ folder: target, count: options.images, resolution: Math.max(...options.resolutions), seed: 1 });
    const dataset = await openDataset(target);
    const twin = startTwin(options.threads);
    try {
      for (const resolution of options.resolutions) {
        const step = stepOptions({ width: 'full', resolution, precision: 'Float32' });
        const file = join(target, `${basename(target)}-r${String(Math.log2(resolution)).padStart(2, '0')}.tfrecords`);
        report(await measureResolution({ options: step, dataset, random: createRandom(1) }, resolution, file, twin, options));
      }
    } finally {
      dataset.close();
      await twin?.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Images shown per round, several times over. */
const SHOWN = 2048;

async function measureResolution(
  source: FeedSource & { readonly dataset: Dataset },
  resolution: number,
  file: string,
  twin: Child | undefined,
  { minibatch, images, iterations }: DataRunOptions,
): Promise<DataResult> {
  const moment = { resolution, minibatch, lod: 0, generatorLearningRate: 0.001, discriminatorLearningRate: 0.001, tickKimg: 1 };
  // Enough that what tf.data has prefetched since the last round, a few batches, does not count.
  const batches = Math.ceil(SHOWN / minibatch);
  const shown = batches * minibatch;
  let at = 0;
  const feedAll = (): void => {
    for (let batch = 0; batch < batches; batch++, at += minibatch) {
      discriminatorFeeds(source, moment, at);
      generatorFeeds(source, moment, at);
    }
  };
  const readAll = (): void => {
    for (let batch = 0; batch < batches; batch++) {
      source.dataset.read(
        resolution,
        Uint32Array.from({ length: minibatch }, (_, i) => (batch * minibatch + i) % images),
      );
    }
  };
  feedAll();
  await twin?.ask({ data: file, resolution, minibatch, batches });
  const rounds: { feeds: number; read: number; twin: number }[] = [];
  for (let round = 0; round < iterations; round++) {
    const theirs = await twin?.ask<{ readonly seconds: number }>({ data: file, resolution, minibatch, batches });
    rounds.push({ feeds: seconds(feedAll), read: seconds(readAll), twin: theirs?.seconds ?? Number.NaN });
  }
  const perKimg = (values: readonly number[]): number => (median(values) * 1000) / shown;
  const imagesReadPerSecond = shown / median(rounds.map(({ read }) => read));
  const recordBytes = (source.dataset.bytes.get(resolution) ?? 0) / source.dataset.images;
  return {
    resolution,
    minibatch,
    images,
    iterations,
    secondsPerKimg: perKimg(rounds.map(({ feeds }) => feeds)),
    imagesReadPerSecond,
    megabytesReadPerSecond: (imagesReadPerSecond * recordBytes) / 1e6,
    ...(twin
      ? {
          twin: { secondsPerKimg: perKimg(rounds.map((round) => round.twin)) },
          timeOverTwin: median(rounds.map((round) => round.feeds / round.twin)),
        }
      : {}),
  };
}

function seconds(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}
