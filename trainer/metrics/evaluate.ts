/** Measures sets of images: the reals first, then snapshots against them, one minibatch at a time, all metrics in the same pass. */
import { type Column, type ImageShape, imageBytes, type Metric, type Role } from './metric.ts';

/** Gives at least `count` images as minibatches (NHWC bytes); asked again, it starts again. */
export type ImageSource = (count: number) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A state of the generator that is to be measured: its age and the images it makes. */
type Snapshot = { readonly kimg: number; readonly fakes: ImageSource };

/** One line of the table. */
export type Row = {
  /** Reals, Reals2, ... or the snapshot's kimg. */
  readonly snapshot: string;
  /** Measured of this set; distances compare only between equal numbers. */
  readonly images: number;
  readonly seconds: number;
  /** NaN where a metric is not defined. */
  readonly metrics: Readonly<Record<string, number>>;
};

export type Evaluation = {
  readonly metrics: readonly Metric[];
  readonly shape: ImageShape;
  /** Images per set. */
  readonly images: number;
  readonly reals: ImageSource;
  /** Times that the reals are measured: after the first pass they stand in for fakes, which gives the floor of each metric. */
  readonly realPasses: number;
  readonly snapshots: readonly Snapshot[];
  /** Seconds, from any origin. */
  readonly now: () => number;
};

/** Yields a row as soon as it is measured: Reals, Reals2, ..., then the snapshots, newest first. Disposes the metrics at its end. */
export async function* evaluate(evaluation: Evaluation): AsyncGenerator<Row> {
  const { metrics, shape, images, reals, realPasses, snapshots, now } = evaluation;
  const newestFirst = [...snapshots].sort((a, b) => b.kimg - a.kimg);
  const row = async (snapshot: string, role: Role, source: ImageSource): Promise<Row> => {
    const start = now();
    const values = await measureSet(metrics, role, source(images), images, shape);
    return { snapshot, images, seconds: now() - start, metrics: values };
  };
  try {
    yield await row('Reals', 'reals', reals);
    for (let pass = 2; pass <= realPasses; pass++) yield await row(`Reals${pass}`, 'fakes', reals);
    for (const { kimg, fakes } of newestFirst) yield await row(String(Math.round(kimg)), 'fakes', fakes);
  } finally {
    for (const metric of metrics) await metric.dispose();
  }
}

/**
 * Feeds `count` images to all metrics and returns their values by column. For figures at ticks: measure the reals once, then each tick's
 * fakes. @throws RangeError when the images end early.
 */
export async function measureSet(
  metrics: readonly Metric[],
  role: Role,
  minibatches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  count: number,
  shape: ImageShape,
): Promise<Readonly<Record<string, number>>> {
  const measurements = metrics.map((metric) => metric.begin(role));
  for await (const images of firstImages(minibatches, count, shape)) {
    for (const measurement of measurements) await measurement.feed(images);
  }
  const values: Record<string, number> = {};
  for (const [i, measurement] of measurements.entries()) {
    const measured = await measurement.end();
    metrics[i]?.columns.forEach(({ name }, column) => (values[name] = measured[column] ?? Number.NaN));
  }
  return values;
}

/** The columns of a table of these metrics. */
export function columnsOf(metrics: readonly Metric[]): readonly Column[] {
  return metrics.flatMap((metric) => metric.columns);
}

/** Images per minibatch with which the reference evaluates. */
export function evaluationMinibatch(resolution: number): number {
  return Math.min(256, Math.max(4, Math.floor(8192 / resolution)));
}

async function* firstImages(
  minibatches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  count: number,
  shape: ImageShape,
): AsyncGenerator<Uint8Array> {
  let left = count * imageBytes(shape);
  for await (const images of minibatches) {
    yield images.subarray(0, left);
    left -= Math.min(left, images.length);
    if (left === 0) return;
  }
  if (left > 0) throw new RangeError(`${count} images were to be measured, ${Math.ceil(left / imageBytes(shape))} of them are missing`);
}
