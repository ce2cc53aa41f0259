/** Two numbers that guard against fooling oneself: does the mean fake look like the mean real image, and do fakes vary as much as reals? */
import { setImmediate } from 'node:timers/promises';
import { type Column, type ImageShape, imageBytes, imagesIn, type Metric } from './metric.ts';

export type Moments = {
  /** Pearson's correlation of the two mean images, over pixels. NaN when one of them is flat. */
  readonly meanCorrelation: number;
  /** Root mean square difference of the two mean images, in grey levels of 0 to 255. */
  readonly meanRmse: number;
  /** Mean over pixels of the fakes' standard deviation (biased), divided by the same of the reals. Far below 1: the generator has collapsed. */
  readonly spreadRatio: number;
};

type Minibatches = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const COLUMNS: readonly Column[] = ['mean_corr', 'mean_rmse', 'spread'].map((name) => ({ name, decimals: 4, width: 11 }));

/** Compares two sets of images (minibatches of NHWC bytes of one shape) by the mean and the spread of every pixel. */
export async function moments(fakes: Minibatches, reals: Minibatches, shape: ImageShape): Promise<Moments> {
  return compare(await pixelStatistics(fakes, shape), await pixelStatistics(reals, shape));
}

/** The same as a metric for tables of snapshots. */
export function momentsMetric(shape: ImageShape): Metric {
  let reals: Statistics | undefined;
  return {
    columns: COLUMNS,
    begin(role) {
      const gathered = gather(shape);
      return {
        async feed(images) {
          gathered.add(images);
          await setImmediate();
        },
        end() {
          const statistics = gathered.statistics();
          if (role === 'reals') reals = statistics;
          if (!reals) throw new Error('fakes were measured before any reals');
          const { meanCorrelation, meanRmse, spreadRatio } = compare(statistics, reals);
          return Promise.resolve([meanCorrelation, meanRmse, spreadRatio]);
        },
      };
    },
    dispose() {
      reals = undefined;
      return Promise.resolve();
    },
  };
}

/** Per pixel and channel, over a set. */
type Statistics = { readonly means: Float64Array; readonly deviations: Float64Array };

async function pixelStatistics(minibatches: Minibatches, shape: ImageShape): Promise<Statistics> {
  const gathered = gather(shape);
  for await (const images of minibatches) {
    gathered.add(images);
    await setImmediate();
  }
  return gathered.statistics();
}

/** Sums are whole numbers below 2^53 and therefore exact: the statistics do not depend on the order of the images. */
function gather(shape: ImageShape): { add(images: Uint8Array): void; statistics(): Statistics } {
  const sums = new Float64Array(imageBytes(shape));
  const squares = new Float64Array(imageBytes(shape));
  let count = 0;
  return {
    add(images) {
      const added = imagesIn(images, shape);
      for (let image = 0, at = 0; image < added; image++) {
        for (let pixel = 0; pixel < sums.length; pixel++, at++) {
          const value = images[at]!;
          sums[pixel]! += value;
          squares[pixel]! += value * value;
        }
      }
      count += added;
    },
    statistics() {
      if (count === 0) throw new RangeError('a set without images has no moments');
      const means = sums.map((sum) => sum / count);
      // count * squares - sum^2 cannot round below zero while both products are exact.
      const deviations = squares.map((square, pixel) => Math.sqrt(Math.max(0, count * square - sums[pixel]! ** 2)) / count);
      return { means, deviations };
    },
  };
}

function compare(fakes: Statistics, reals: Statistics): Moments {
  const [fakeMean, realMean] = [mean(fakes.means), mean(reals.means)];
  let [covariance, fakeVariance, realVariance, squaredError] = [0, 0, 0, 0];
  for (let pixel = 0; pixel < fakes.means.length; pixel++) {
    const [fake, real] = [fakes.means[pixel]!, reals.means[pixel]!];
    covariance += (fake - fakeMean) * (real - realMean);
    fakeVariance += (fake - fakeMean) ** 2;
    realVariance += (real - realMean) ** 2;
    squaredError += (fake - real) ** 2;
  }
  return {
    meanCorrelation: covariance / Math.sqrt(fakeVariance * realVariance),
    meanRmse: Math.sqrt(squaredError / fakes.means.length),
    spreadRatio: mean(fakes.deviations) / mean(reals.deviations),
  };
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
