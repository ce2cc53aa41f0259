/** Metrics of the averaged generator while it trains: at ticks of the last phase, where the run asks for them. */
import type { TrainingRun } from '../../crds/run.ts';
import type { Moment } from '../../crds/schedule.ts';
import type { Dataset } from '../data/dataset.ts';
import { createMetric } from '../metrics/choose.ts';
import { measureSet } from '../metrics/evaluate.ts';
import type { Metric } from '../metrics/metric.ts';
import { drawn, reals } from '../metrics/sources.ts';
import { fadeOf } from './feeds.ts';
import type { Position } from './loop.ts';
import type { Session } from './session.ts';
import type { StepOptions } from './step-options.ts';

/** Values by the names of the metrics' columns; what is not defined is left out. */
export type Measured = Readonly<Record<string, number>>;

export interface TickMetrics {
  /** Measures where the tick that ends at `position` is one to be measured; undefined at the others. */
  at(position: Position, moment: Moment): Promise<Measured | undefined>;
  dispose(): Promise<void>;
}

export type TickMetricsOptions = {
  readonly run: TrainingRun;
  readonly dataset: Dataset;
  readonly options: StepOptions;
  readonly session: Session;
  /** Called between minibatches: measuring can take minutes. */
  readonly alive: () => Promise<void>;
};

/**
 * The figures are those of `pggan evaluate` of a checkpoint saved there: same latents, same reals, same draws. They depend on nothing but
 * the weights, so that a run that was killed writes the ones that it would have written.
 * @throws {PgganError} OptionsInvalid where a metric is not defined for the run's images
 */
export function createTickMetrics({ run, dataset, options, session, alive }: TickMetricsOptions): TickMetrics {
  const { shape } = options;
  const wanted = run.metrics;
  const images = Math.min(wanted?.images ?? 0, dataset.images);
  const metrics: readonly Metric[] = (wanted?.names ?? []).map((name) => createMetric(name, { shape, images, seed: run.seed, redraws: 1 }));
  let realsMeasured = false;

  const due = ({ tick, images: shown }: Position, { resolution }: Moment): boolean =>
    wanted !== undefined && resolution === shape.resolution && (tick % wanted.everyTicks === 0 || shown >= run.totalKimg * 1000);
  const measure = async (role: 'reals' | 'fakes', source: Iterable<Uint8Array>): Promise<Measured> => {
    const values = await measureSet(metrics, role, withLife(source, alive), images, shape);
    return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
  };

  return {
    async at(position, moment) {
      if (!due(position, moment)) return undefined;
      if (!realsMeasured) await measure('reals', reals(dataset)(images));
      realsMeasured = true;
      const sample: Parameters<typeof drawn>[0]['sample'] = (input) => session.sample(input, fadeOf(moment.lod));
      return measure('fakes', drawn({ seed: run.seed, shape, resolution: moment.resolution, sample }, dataset, images));
    },
    async dispose() {
      for (const metric of metrics) await metric.dispose();
    },
  };
}

async function* withLife(minibatches: Iterable<Uint8Array>, alive: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for (const images of minibatches) {
    await alive();
    yield images;
  }
}
