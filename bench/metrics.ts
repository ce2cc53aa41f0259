/** How long the operator's /metrics holds up its event loop, as the number of trainings grows. */
import { Registry } from 'prom-client';
import { createStore } from '../operator/kube/store.ts';
import type { StoredSynthesis } from '../operator/synthesis/stored.ts';
import { metricsPage } from '../operator/telemetry/page.ts';
import type { StoredTraining } from '../operator/training/stored.ts';

export type MetricsResult = {
  readonly trainings: number;
  readonly samples: number;
  readonly megabytes: number;
  readonly seconds: number;
  /** The longest time for which nothing else could run. */
  readonly longestBlockMilliseconds: number;
};

const TIME = '2026-01-01T00:00:00Z';
const LOSSES = {
  generator: 0.123456789,
  discriminator: -0.987654321,
  realScores: 1.5,
  fakeScores: -1.5,
  mixedScores: 0.1,
  gradientNorm: 1.01,
};

/** A training of eight phases, all but the last of which have ended. */
function training(index: number): StoredTraining {
  const phases = [4, 8, 16, 32, 64, 128, 256, 512].map((resolution) => ({
    resolution,
    state: 'Complete',
    attempts: 2,
    startTime: TIME,
    completionTime: TIME,
    losses: LOSSES,
  }));
  const conditions = ['Accepted', 'Ready', 'Progressing', 'Suspended', 'Succeeded', 'Reconciling', 'ProgressReachable'];
  const status = {
    conditions: conditions.map((type) => ({ type, status: 'True' })),
    phases,
    progress: { resolution: 512, images: 9e6, kimg: 9000, lod: 0, losses: LOSSES, secondsPerKimg: 60, imagesPerSecond: 16, time: TIME },
    checkpoint: { uri: 's3://pggan/runs', images: 9e6, digest: 'd', time: TIME },
    totalKimg: 15000,
    resolution: 512,
    failures: 1,
    resumes: 3,
    estimatedCompletionTime: TIME,
  };
  const metadata = { namespace: 'research', name: `training-${index}`, uid: String(index), resourceVersion: '1' };
  return { metadata, spec: { resolution: 512, precision: 'Float32' }, status } as unknown as StoredTraining;
}

export async function measureMetrics(trainings: number): Promise<MetricsResult> {
  const stored = createStore<StoredTraining>();
  stored.writer.replace(Array.from({ length: trainings }, (_, index) => training(index)));
  const cluster = { trainings: stored.store, syntheses: createStore<StoredSynthesis>().store };
  const page = metricsPage({ registry: new Registry(), cluster, leads: () => true });
  await page.pages();
  let longest = 0;
  let last = performance.now();
  let done = false;
  const watch = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!done) setImmediate(watch);
  };
  setImmediate(watch);
  const started = performance.now();
  const pages = await page.pages();
  const seconds = (performance.now() - started) / 1000;
  await new Promise((resolve) => setImmediate(resolve));
  done = true;
  const text = Buffer.concat(pages).toString();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  return { trainings, samples, megabytes: Buffer.byteLength(text) / 1e6, seconds, longestBlockMilliseconds: longest };
}
