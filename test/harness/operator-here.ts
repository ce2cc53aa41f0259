/** The operator in the process of a test, for one namespace. */
import type { TestContext } from 'node:test';
import { createOperator, type OperatorOptions } from '../../operator/operate.ts';
import { createLogger } from '../../operator/telemetry/log.ts';
import { createMetrics } from '../../operator/telemetry/metrics.ts';
import type { TransportOptions } from '../../operator/kube/transport.ts';
import { openKube, type Scene } from './kube.ts';

/** Of a training that no process carries out. */
export const SPEC = {
  dataset: { uri: 'pvc://data/phantoms' },
  output: { uri: 'pvc://data/runs' },
  resolution: 8,
  totalKimg: 4,
  schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 16 },
};

type Given = Partial<TransportOptions> & Pick<OperatorOptions, 'clock' | 'pollSeconds'>;

/** Runs until the test ends. */
export async function runOperator(
  t: TestContext,
  { plane, namespace }: Scene,
  { clock, pollSeconds, ...given }: Given = {},
): Promise<void> {
  const kube = await openKube(t, plane, given);
  const config = { cluster: 'test', trainerImage: 'pggan-trainer:test', port: 8080 };
  const log = createLogger('silent');
  const operator = createOperator({
    kube,
    log,
    metrics: createMetrics(),
    config,
    namespaces: [namespace],
    instance: t.name,
    ...(clock && { clock }),
    ...(pollSeconds !== undefined && { pollSeconds }),
  });
  const stop = new AbortController();
  const running = Promise.all([operator.reflect(stop.signal), operator.lead(stop.signal)]);
  t.after(async () => {
    stop.abort();
    await running;
  });
}
