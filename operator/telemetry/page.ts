/** All that /metrics says: the operator's own metrics, and those of the objects that it looks after. */
import type { Registry } from 'prom-client';
import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube/resource.ts';
import type { MetricsPage } from './http.ts';
import { exposition, type Named, shared } from './exposition.ts';
import { SYNTHESIS_METRICS, type SynthesisFigures, TRAINING_METRICS, type TrainingFigures } from './object-metrics.ts';

export type PageOptions = {
  readonly registry: Registry;
  readonly cluster: Pick<Cluster, 'trainings' | 'syntheses'>;
  /** Objects are told of by the process that leads: two that tell the same would be counted twice. */
  readonly leads: () => boolean;
};

/** What the telemetry server answers at /metrics. */
export function metricsPage({ registry, cluster, leads }: PageOptions): MetricsPage {
  const pages = async (): Promise<readonly Buffer[]> => {
    const own = Buffer.from(await registry.metrics());
    if (!leads()) return [own];
    const trainings = cluster.trainings.list().map((stored) => named<TrainingFigures>(stored));
    const syntheses = cluster.syntheses.list().map((stored) => named<SynthesisFigures>(stored));
    return [own, ...(await exposition(TRAINING_METRICS, trainings)), ...(await exposition(SYNTHESIS_METRICS, syntheses))];
  };
  return { contentType: registry.contentType, pages: shared(pages) };
}

/** The status of an object is what its schema says, which the API server holds writers to; there is none before the first round. */
function named<T>({ metadata, spec, status = {} }: KubeObject & { readonly spec: object; readonly status?: object }): Named<T> {
  return { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '', object: { spec, status } as T };
}
