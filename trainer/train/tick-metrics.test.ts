import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers';
import { test } from 'node:test';
import { scheduleAt } from '../../crds/schedule.ts';
import { runDocumentOf } from '../../test/harness/tiny-run.ts';
import { createWorkspace, PHANTOMS } from '../../test/harness/tiny-training.ts';
import { openDataset } from '../data/dataset.ts';
import { START } from './loop.ts';
import { stepOptions } from './open-run.ts';
import { createTickMetrics } from './tick-metrics.ts';

test('a request to stop arrives between minibatches and ends the measurement, which has no figures then', async (t) => {
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  const metrics = { names: ['moments'], images: PHANTOMS, everyTicks: 1 };
  const run = runDocumentOf(workspace.manifest('tiny', 'measured', { metrics }), workspace.folder, 4);
  const dataset = await openDataset(run.dataset.uri);
  t.after(() => dataset.close());
  let stopped = false;
  let drawn = 0;
  let stopping = false;
  const sample = ({ latents }: { readonly latents: Float32Array }): Float32Array => {
    drawn += 1;
    // As a signal: nothing but the event loop can deliver it.
    if (stopping) setImmediate(() => (stopped = true));
    return new Float32Array((latents.length / run.network.latentSize) * 16);
  };
  const tickMetrics = createTickMetrics({ run, dataset, options: stepOptions(run, dataset), session: { sample }, goOn: () => !stopped });
  t.after(() => tickMetrics.dispose());
  const measure = () => tickMetrics.at({ ...START, images: 1008, tick: 1 }, scheduleAt(run.schedule, 1008));
  assert.ok(Number.isFinite((await measure())?.['mean_rmse']));
  const whole = drawn;
  assert.ok(whole > 2);
  stopping = true;
  assert.equal(await measure(), undefined);
  assert.ok(drawn - whole < whole);
});

test('figures are of images as large as the run makes them, whatever its dataset has above that', async (t) => {
  const workspace = await createWorkspace(16);
  t.after(() => workspace.remove());
  const metrics = { names: ['moments'], images: 32, everyTicks: 1 };
  const run = runDocumentOf(workspace.manifest('tiny', 'measured', { metrics, resolution: 8 }), workspace.folder, 8);
  const dataset = await openDataset(run.dataset.uri);
  t.after(() => dataset.close());
  const sample = ({ latents }: { readonly latents: Float32Array }): Float32Array =>
    Float32Array.from({ length: (latents.length / run.network.latentSize) * 64 }, (_, i) => Math.sin(i));
  const figures = [];
  for (const resolution of [16, 8]) {
    const known = { ...dataset, resolution };
    const tickMetrics = createTickMetrics({ run, dataset: known, options: stepOptions(run, known), session: { sample }, goOn: () => true });
    figures.push(await tickMetrics.at({ ...START, images: 3008, tick: 1 }, scheduleAt(run.schedule, 3008)));
    await tickMetrics.dispose();
  }
  assert.ok(Number.isFinite(figures[0]?.['mean_rmse']));
  assert.deepEqual(figures[0], figures[1]);
});
