/** Metrics of the averaged generator while it trains: at ticks of the last phase, where the run asks for them. */
import { setImmediate } from 'node:timers/promises';
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
  /** Measures where the tick that ends at `position` is one to be measured; undefined at the others, and where `goOn` says no. */
  at(position: Position, moment: Moment): Promise<Measured | undefined>;
  dispose(): Promise<void>;
}

export type TickMetricsOptions = {
  readonly run: TrainingRun;
  readonly dataset: Dataset;
  readonly options: StepOptions;
  readonly session: Pick<Session, 'sample'>;
  /** Called between minibatches, because measuring can take minutes: whether to go on with it. */
  readonly goOn: () => boolean;
};

/**
 * The figures are those of `pggan evaluate` of a checkpoint saved there: same latents, same reals, same draws. They depend on nothing but
 * the weights, so that a run that was killed writes the ones that it would have written.
 * @throws {PgganError} OptionsInvalid where a metric is not defined for the run's images
 */
export function createTickMetrics({ run, dataset, options, session, goOn }: TickMetricsOptions): TickMetrics {
  const { shape } = options;
  const wanted = run.metrics;
  const images = Math.min(wanted?.images ?? 0, dataset.images);
  const metrics: readonly Metric[] = (wanted?.names ?? []).map((name) => createMetric(name, { shape, images, seed: run.seed, redraws: 1 }));
  let realsMeasured = false;

  const due = ({ tick, images: shown }: Position, { resolution }: Moment): boolean =>
    wanted !== undefined && resolution === shape.resolution && (tick % wanted.everyTicks === 0 || shown >= run.totalKimg * 1000);
  const measure = async (role: 'reals' | 'fakes', source: Iterable<Uint8Array>): Promise<Measured> => {
    const values = await measureSet(metrics, role, interruptibly(source, goOn), images, shape);
    return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
  };

  return {
    async at(position, moment) {
      if (!due(position, moment)) return undefined;
      const sample: Parameters<typeof drawn>[0]['sample'] = (input) => session.sample(input, fadeOf(moment.lod));
      try {
        if (!realsMeasured) await measure('reals', reals(dataset, shape.resolution)(images));
        realsMeasured = true;
        return await measure('fakes', drawn({ seed: run.seed, shape, resolution: moment.resolution, sample }, dataset, images));
      } catch (thrown) {
        if (thrown === INTERRUPTED) return undefined;
        throw thrown;
      }
    },
    async dispose() {
      for (const metric of metrics) await metric.dispose();
    },
  };
}

const INTERRUPTED = Symbol('interrupted');

/** Requests to stop arrive between minibatches. */
async function* interruptibly(minibatches: Iterable<Uint8Array>, goOn: () => boolean): AsyncGenerator<Uint8Array> {
  for (const images of minibatches) {
    await setImmediate();
    if (!goOn()) throw INTERRUPTED;
    yield images;
  }
}
