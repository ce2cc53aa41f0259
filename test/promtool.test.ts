/** Prometheus' own tool reads what the servers of the operator and of the trainer answer at /metrics, and finds nothing to say to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SynthesisProgress } from '../crds/progress.ts';
import { createStore } from '../operator/kube/store.ts';
import type { StoredSynthesis } from '../operator/synthesis/stored.ts';
import { serveTelemetry } from '../operator/telemetry/http.ts';
import { createMetrics } from '../operator/telemetry/metrics.ts';
import { SYNTHESIS_METRICS, TRAINING_METRICS } from '../operator/telemetry/object-metrics.ts';
import { metricsPage } from '../operator/telemetry/page.ts';
import type { StoredTraining } from '../operator/training/stored.ts';
import { FAMILIES } from '../trainer/report/metrics-text.ts';
import { startServer } from '../trainer/report/server.ts';
import { someProgress } from '../trainer/report/test-progress.ts';
import { binary } from './harness/binaries.ts';
import { assertClean } from './harness/promtool.ts';
import { progressWhen, runDocumentOf, served, train } from './harness/tiny-run.ts';
import { createWorkspace } from './harness/tiny-training.ts';

const TIME = '2026-01-01T00:00:00Z';
const CONDITIONS = [
  { type: 'Progressing', status: 'True', reason: 'Training', message: '', lastTransitionTime: TIME, observedGeneration: 1 },
];

/** Objects that have every figure. */
const TRAINING = {
  metadata: { namespace: 'research', name: 'a', uid: 'a', resourceVersion: '1' },
  spec: { resolution: 8, precision: 'Float32', checkpoints: { everySeconds: 1800 } },
  status: {
    conditions: CONDITIONS,
    totalKimg: 8,
    resolution: 8,
    failures: 2,
    resumes: 3,
    disruptions: 1,
    outOfMemory: 1,
    estimatedCompletionTime: TIME,
    checkpoint: { uri: 'u', images: 4000, digest: 'd', time: TIME, bytes: 1 },
    checkpointSeconds: 1.5,
    phases: [
      {
        resolution: 8,
        attempts: 1,
        startTime: TIME,
        completionTime: TIME,
        wait: { job: 'j', queuedAt: TIME, admittedAt: TIME, startedAt: TIME, seconds: 0 },
      },
    ],
    progress: { ...someProgress, resolution: 8, kimg: 1 },
  },
} as unknown as StoredTraining;
const SYNTHESIS = {
  metadata: { namespace: 'research', name: 's', uid: 's', resourceVersion: '1' },
  spec: { count: 9 },
  status: { conditions: CONDITIONS, imagesDone: 1, imagesPerSecond: 2, failures: 0 },
} as unknown as StoredSynthesis;
const DRAWING: SynthesisProgress = {
  version: 'v1',
  kind: 'synthesis',
  state: 'Synthesizing',
  done: 1,
  wanted: 9,
  imagesPerSecond: 2,
  time: '2026-01-01T00:01:00.000Z',
};

const metricsAt = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

function assertNames(text: string, families: readonly { readonly name: string }[]): void {
  for (const { name } of families) assert.match(text, new RegExp(`^${name}[{ ]`, 'm'));
}

test("promtool finds nothing to say to the operator's metrics, all of them", async (t) => {
  const promtool = binary(t, 'promtool');
  if (promtool === undefined) return;
  const metrics = createMetrics();
  metrics.leader(() => true);
  metrics.watch('pods', () => 1);
  metrics.queue('pggantraining').added?.();
  metrics.reconciled('pggantraining', { key: 'research/a', seconds: 0.1, error: new Error('no') });
  metrics.requested({ verb: 'create', plural: 'jobs', code: '409', seconds: 0.01 });
  const [trainings, syntheses] = [createStore<StoredTraining>(), createStore<StoredSynthesis>()];
  trainings.writer.apply(TRAINING);
  syntheses.writer.apply(SYNTHESIS);
  const cluster = { trainings: trainings.store, syntheses: syntheses.store };
  const page = metricsPage({ registry: metrics.registry, cluster, leads: () => true });
  const server = await serveTelemetry({ port: 0, live: {}, ready: {}, metrics: page });
  t.after(() => server.close());
  const text = await metricsAt(server.port);
  assertNames(text, [...TRAINING_METRICS, ...SYNTHESIS_METRICS]);
  assertClean(promtool, text);
});

test("promtool finds nothing to say to a training process's metrics, all of them, once it has saved", async (t) => {
  const promtool = binary(t, 'promtool');
  if (promtool === undefined) return;
  const workspace = await createWorkspace(8);
  t.after(() => workspace.remove());
  const schedule = { trainKimg: 1000, transitionKimg: 1000, minibatchBase: 16, tickKimgBase: 1 };
  const manifest = workspace.manifest('tiny', 'measured', {
    totalKimg: 3000,
    schedule,
    checkpoints: { everyKimg: 1, everySeconds: 10, keepLast: 1 },
  });
  const trainer = train(t, runDocumentOf(manifest, workspace.runFolder('tiny', 'measured'), 4));
  await progressWhen(trainer, ({ losses, checkpointSeconds }) => losses !== undefined && checkpointSeconds !== undefined);
  const { text } = (await served(trainer, '/metrics')) ?? assert.fail('it serves no metrics');
  trainer.signalGroup('SIGKILL');
  assertNames(text, FAMILIES.training);
  assertClean(promtool, text);
});

test("promtool finds nothing to say to a drawing process's metrics", async (t) => {
  const promtool = binary(t, 'promtool');
  if (promtool === undefined) return;
  const server = await startServer({ port: 0, host: '127.0.0.1', deadlineSeconds: 3600 });
  t.after(() => server.close());
  server.update(DRAWING);
  const text = await metricsAt(server.port);
  assertNames(text, FAMILIES.synthesis);
  assertClean(promtool, text);
});
