/** The operator's own metrics: how often, how long and with what outcome it reconciles, queues and asks the API server; who leads; how old its view is. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ReconcileReport } from '../kube/controller.ts';
import type { RequestReport } from '../kube/transport.ts';
import type { QueueMetrics } from '../kube/workqueue.ts';

export type OperatorMetrics = {
  readonly registry: Registry;
  /** What a queue of this name is to be told to. */
  queue(name: string): QueueMetrics;
  reconciled(controller: string, report: ReconcileReport): void;
  requested(report: RequestReport): void;
  /** Asked at each scrape. */
  watch(resource: string, staleSeconds: () => number): void;
  leader(mayAct: () => boolean): void;
};

/** From a cached read to a deadline of a minute. */
const BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];

export function createMetrics(): OperatorMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // Gauges whose names end as only counters' may; their parts by type stay.
  for (const kind of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${kind}_total`);
  const registers = [registry];
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: BUCKETS_SECONDS });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });

  const reconcileSeconds = histogram('pggan_operator_reconcile_duration_seconds', 'Time that reconciles took.', ['controller']);
  const reconcileErrors = counter('pggan_operator_reconcile_errors_total', 'Reconciles that failed.', ['controller']);
  const depth = new Gauge({ name: 'pggan_operator_queue_depth', help: 'Keys that wait for a worker.', labelNames: ['queue'], registers });
  const adds = counter('pggan_operator_queue_adds_total', 'Keys that were queued.', ['queue']);
  const retries = counter('pggan_operator_queue_retries_total', 'Keys that were queued again after a failure.', ['queue']);
  const waitSeconds = histogram('pggan_operator_queue_wait_seconds', 'Time that keys waited for a worker.', ['queue']);
  const workSeconds = histogram('pggan_operator_queue_work_seconds', 'Time that keys were being worked on.', ['queue']);
  const requests = counter('pggan_operator_api_requests_total', 'Requests to the API server, by HTTP status or kind of failure.', [
    'verb',
    'resource',
    'code',
  ]);
  const requestSeconds = histogram('pggan_operator_api_request_duration_seconds', 'Time to the first byte of answers of the API server.', [
    'verb',
    'resource',
  ]);
  const views = new Map<string, () => number>();
  const staleness = new Gauge({
    name: 'pggan_operator_watch_staleness_seconds',
    help: 'Time since the API server was last heard of on a watch.',
    labelNames: ['resource'],
    registers,
    collect: () => views.forEach((staleSeconds, resource) => staleness.set({ resource }, staleSeconds())),
  });
  let leads: (() => boolean) | undefined;
  const leader: Gauge<never> = new Gauge({
    name: 'pggan_operator_leader',
    help: '1 where this process leads, 0 where it stands by.',
    registers,
    collect: () => leader.set(leads?.() ? 1 : 0),
  });

  return {
    registry,
    queue: (queue) => ({
      depth: (keys) => depth.set({ queue }, keys),
      added: () => adds.inc({ queue }),
      retried: () => retries.inc({ queue }),
      waited: (seconds) => waitSeconds.observe({ queue }, seconds),
      worked: (seconds) => workSeconds.observe({ queue }, seconds),
    }),
    reconciled(controller, { seconds, error }) {
      reconcileSeconds.observe({ controller }, seconds);
      reconcileErrors.inc({ controller }, error === undefined ? 0 : 1);
    },
    requested({ verb, plural, code, seconds }) {
      requests.inc({ verb, resource: plural, code });
      requestSeconds.observe({ verb, resource: plural }, seconds);
    },
    watch: (resource, staleSeconds) => void views.set(resource, staleSeconds),
    leader(mayAct) {
      leads = mayAct;
    },
  };
}
