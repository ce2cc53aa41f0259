/** The operator's process: options, connection, lease, telemetry, and its end. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { KubeConfig } from '@kubernetes/client-node';
import { Command } from 'commander';
import { createOperator } from './operate.ts';
import { createKube } from './kube/client.ts';
import { connectionOf } from './kube/connection.ts';
import { writesWhile } from './kube/leading.ts';
import { createElection } from './kube/lease.ts';
import { refOf } from './kube/resource.ts';
import { type Flags, numberOf, withFlags } from './flags.ts';
import { keepHeapSmall } from './heap.ts';
import { serveTelemetry } from './telemetry/http.ts';
import { createLogger } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { metricsPage } from './telemetry/page.ts';

keepHeapSmall();
const flags = withFlags(new Command('pggan-operator')).parse().opts<Flags>();
const log = createLogger(flags.logLevel);
const metrics = createMetrics();

const kubeconfig = new KubeConfig();
kubeconfig.loadFromDefault();
const kube = createKube(await connectionOf(kubeconfig), { userAgent: 'pggan-operator', onRequest: (report) => metrics.requested(report) });

const instance = `${hostname()}_${randomUUID()}`;
const election = createElection({
  kube,
  lease: refOf(flags.lease),
  identity: instance,
  onError: (error) => log.warn({ err: error }, 'the lease could not be renewed'),
});
const operator = createOperator({
  kube: writesWhile(() => election.mayAct(), kube),
  log,
  metrics,
  instance,
  config: {
    cluster: flags.cluster,
    trainerImage: flags.trainerImage,
    ...(flags.trainerGpuImage !== undefined && { trainerGpuImage: flags.trainerGpuImage }),
    port: numberOf(flags.trainerPort),
  },
  pollSeconds: numberOf(flags.pollSeconds),
  podProxy: flags.podProxy,
  namespaces: flags.namespace,
});
metrics.leader(() => election.mayAct());

let synced = false;
void operator.synced.then(() => (synced = true));
const telemetry = await serveTelemetry({
  port: numberOf(flags.telemetryPort),
  // Reconciles are told to stop after a minute: one that goes on for ten will never end.
  live: { reconciles: () => (operator.longestSeconds() > 600 ? 'a reconcile hangs' : undefined) },
  ready: { caches: () => (synced ? undefined : 'not all objects have been listed yet') },
  metrics: metricsPage({ registry: metrics.registry, cluster: operator.cluster, leads: () => election.mayAct() }),
});
log.info({ instance, telemetryPort: telemetry.port }, 'started');

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));
const reflecting = operator.reflect(stop.signal);
const outcome = await election.run(async (signal) => {
  log.info('leading');
  await operator.lead(signal);
}, stop.signal);
// Whatever a reconcile still does after the lease is lost, it may not do: another process leads.
if (outcome === 'lost') {
  log.fatal('the lease was lost');
  process.exit(1);
}
await reflecting;
await telemetry.close();
await kube.close();
log.info('stopped');
