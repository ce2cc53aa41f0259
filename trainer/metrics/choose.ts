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
