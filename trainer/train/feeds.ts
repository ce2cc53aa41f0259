/** What each step is fed: reals in the run's data order, latents, mixing factors and labels drawn by (seed, stream, images shown). */
import type { OptimizerOptions } from '../../crds/run.ts';
import type { Moment } from '../../crds/schedule.ts';
import { batchIndexes } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import type { HostFeeds } from './host-step.ts';
import type { Random } from './random.ts';
import type { StepOptions } from './step-options.ts';

/** What the feeds depend on of the options. */
export type FeedOptions = Pick<StepOptions, 'mirrorAugment'> & { readonly shape: Pick<StepOptions['shape'], 'latentSize'> };

export type FeedSource = {
  readonly options: FeedOptions;
  readonly dataset: Labelled & Pick<Dataset, 'images' | 'channels' | 'read'>;
  readonly random: Random;
};

type Labelled = Pick<Dataset, 'labels' | 'labelSize'>;

/** Share of the previous resolution in the picture, in [0, 1): the fractional part of the level of detail. */
export function fadeOf(lod: number): number {
  return lod - Math.floor(lod);
}

/** Feeds of the D step that shows real images `images` to `images + minibatch - 1`, but for Adam's. */
export function discriminatorFeeds(source: FeedSource, moment: Moment, images: number): HostFeeds {
  const { options, dataset, random } = source;
  const { minibatch: n, resolution: r } = moment;
  const indexes = batchIndexes(random, dataset.images, images, n);
  return {
    ...commonFeeds(source, moment, 'D', images),
    reals: { shape: [n, r, r, dataset.channels], data: new Float32Array(dataset.read(r, indexes)) },
    mixing: { shape: [n, 1, 1, 1], data: random.uniform('mixing', images, n) },
    ...(options.mirrorAugment
      ? { mirror: { shape: [n, 1, 1, 1], data: random.uniform('mirror', images, n).map((u) => (u < 0.5 ? 1 : 0)) } }
      : {}),
    ...(dataset.labels ? { labels: labelRows(dataset, indexes) } : {}),
  };
}

/** Feeds of the G step that follows that D step. Its labels are fresh draws from the dataset's. */
export function generatorFeeds(source: FeedSource, moment: Moment, images: number): HostFeeds {
  const { dataset, random } = source;
  const rows = dataset.labels ? random.integers('labels', images, moment.minibatch, dataset.images) : undefined;
  return {
    ...commonFeeds(source, moment, 'G', images),
    ...(rows ? { labels: labelRows(dataset, rows) } : {}),
  };
}

/** Rows of the dataset's labels, [n, L]. */
export function labelRows(
  dataset: Labelled,
  indexes: ArrayLike<number>,
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const size = dataset.labelSize;
  const data = new Float32Array(indexes.length * size);
  for (let row = 0; row < indexes.length; row++) {
    const from = (indexes[row] ?? 0) * size;
    data.set(dataset.labels?.subarray(from, from + size) ?? [], row * size);
  }
  return { shape: [indexes.length, size], data };
}

function commonFeeds({ options, random }: FeedSource, moment: Moment, network: 'G' | 'D', images: number): HostFeeds {
  const { latentSize } = options.shape;
  const fade = fadeOf(moment.lod);
  return {
    latents: { shape: [moment.minibatch, latentSize], data: random.normal(`latents/${network}`, images, moment.minibatch * latentSize) },
    ...(fade > 0 ? { fade } : {}),
  };
}

/** Feeds of Adam; `updates` counts the network's since the last reset. */
export function adamFeeds(
  optimizer: OptimizerOptions,
  learningRate: number,
  updates: number,
): Readonly<Record<'learningRate' | 'beta1Power' | 'beta2Power', number>> {
  return { learningRate, beta1Power: optimizer.beta1 ** (updates + 1), beta2Power: optimizer.beta2 ** (updates + 1) };
}
