/** Metrics by the names under which commands and options ask for them. */
import { PgganError } from '../../crds/errors.ts';
import type { MetricName } from '../../crds/run.ts';
import { createRandom } from '../train/random.ts';
import type { ImageShape, Metric } from './metric.ts';
import { momentsMetric } from './moments.ts';
import { msSsim } from './ms-ssim.ts';
import { patchDraws } from './patch-draws.ts';
import { slicedWasserstein } from './sliced-wasserstein.ts';

/** `images` per set and `realPasses` are what the reference measures with. `swd1` and `msssim1` are the one-channel variants. */
export const METRICS = {
  swd: { images: 16384, realPasses: 2 },
  swd1: { images: 16384, realPasses: 2 },
  msssim: { images: 20000, realPasses: 1 },
  msssim1: { images: 20000, realPasses: 1 },
  moments: { images: 1000, realPasses: 2 },
} as const satisfies Record<MetricName, { readonly images: number; readonly realPasses: number }>;

export type MetricOptions = {
  readonly shape: ImageShape;
  /** Images per set. */
  readonly images: number;
  readonly seed: number;
  /** Independent redraws over which sliced Wasserstein distances are averaged. */
  readonly redraws: number;
};

/** @throws {PgganError} UsageInvalid for a name that is not in METRICS. */
export function metricName(text: string): MetricName {
  if (Object.hasOwn(METRICS, text)) return text as MetricName;
  throw new PgganError('UsageInvalid', `there is no metric '${text}': use ${Object.keys(METRICS).join(', ')}`);
}

/**
 * How many images of each set to measure. As many as were asked for: the reference shows a smaller dataset again from its beginning until it has its number. Where
 * nobody asked, no more than the dataset has, because images that come again take their time and tell little that is new. Either is remarked.
 */
export function imagesPerSet(
  names: readonly MetricName[],
  asked: number | undefined,
  inDataset: number,
): { readonly images: number; readonly remark: string | undefined } {
  const defined = Math.min(...names.map((name) => METRICS[name].images));
  const images = asked ?? Math.min(defined, inDataset);
  if (images > inDataset)
    return { images, remark: `warning: the dataset has ${inDataset} images: the reals are these again and again, up to ${images}` };
  if (asked !== undefined || images === defined) return { images, remark: undefined };
  const original = `where the original shows them again up to ${defined} (--num-images ${defined})`;
  return { images, remark: `The dataset has ${inDataset} images: as many are measured per set, ${original}` };
}

/** @throws {PgganError} OptionsInvalid when a metric is not defined for images of this shape. */
export function createMetric(name: MetricName, { shape, images, seed, redraws }: MetricOptions): Metric {
  const draws = () => Array.from({ length: redraws }, (_, redraw) => patchDraws(createRandom(seed), redraw));
  switch (name) {
    case 'swd':
      return slicedWasserstein({ shape, images, patchChannels: 3, draws: draws() });
    case 'swd1':
      return slicedWasserstein({ shape, images, patchChannels: 1, draws: draws() });
    case 'msssim':
      return msSsim(shape, 3);
    case 'msssim1':
      return msSsim(shape, 1);
    case 'moments':
      return momentsMetric(shape);
  }
}
