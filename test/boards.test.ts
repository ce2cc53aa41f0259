/** Every query of every board, asked of a real Prometheus that has scraped a real run: each has data to show. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALERTS } from '../monitoring/alerts.ts';
import { fleetBoard } from '../monitoring/boards/fleet.ts';
import { queriesOf, variablesOf } from '../monitoring/boards/queries-of.ts';
import { trainingBoard } from '../monitoring/boards/training.ts';
import { filledIn, plotTraining } from '../monitoring/plot.ts';
import { SYNTHESIS_JOBS } from '../operator/synthesis/stored.ts';
import { isTrue } from '../operator/kube/conditions.ts';
import { CHART } from './harness/helm.ts';
import { until } from './harness/kube.ts';
import { startOperator } from './harness/operator-process.ts';
import { apply, install, stage, succeeded } from './harness/operator-stage.ts';
import { here, startPrometheus } from './harness/prometheus.ts';

const RESOLUTION = 8;

test('every query of the boards has data from a training and a synthesis that Prometheus has watched', async (t) => {
  const at = await stage(t, RESOLUTION);
  if (!at) return;
  const { plane, kube, namespace, workspace } = at;
  await install(at);
  const operator = startOperator(t, plane, namespace);
  await until(() => operator.lastSaid(/"msg":"(leading)"/) !== undefined);
  const port = operator.lastSaid(/"telemetryPort":(\d+)/) ?? assert.fail('it never said its port');
  const prometheus = await startPrometheus(t, here([port]), join(CHART, 'alerts.yaml'));
  if (!prometheus) return;
  const began = Date.now() / 1000;

  const places = { dataset: { uri: 'pvc://data/phantoms' }, output: { uri: 'pvc://data/runs' } };
  const local = JSON.parse(readFileSync(workspace.manifest('tiny', 'runs'), 'utf8')) as { readonly spec: object };
  const object = (kind: string, name: string, spec: object): string =>
    JSON.stringify({ apiVersion: 'pggan.dev/v1alpha1', kind, metadata: { name, namespace }, spec });
  await apply(at, object('PGGANTraining', 'tiny', { ...local.spec, ...places }));
  const drawn = { trainingRef: { name: 'tiny' }, count: 2000, seed: 1, threads: 1, output: { uri: 'pvc://data/drawn' } };
  await apply(at, object('SynthesisJob', 'drawn', drawn));
  await succeeded(at, 'tiny');
  // It is enough that it has begun to draw.
  await until(async () => {
    const { status } = await kube.get(SYNTHESIS_JOBS, { namespace, name: 'drawn' });
    return status?.imagesPerSecond !== undefined || isTrue(status?.conditions, 'Succeeded');
  });
  const scraped = async (): Promise<boolean> =>
    (await prometheus.ask(began, Date.now() / 1000)('pggan_synthesisjob_images_per_second')).length > 0;
  await until(scraped);

  const ask = prometheus.ask(began, Date.now() / 1000);
  const values = { namespace, training: 'tiny' };
  const empty: string[] = [];
  for (const board of [fleetBoard(), trainingBoard()]) {
    for (const { where, expr } of queriesOf(board)) {
      const series = await ask(filledIn(expr, values));
      const told = series.flatMap(({ points }) => points.filter(({ value }) => Number.isFinite(value)));
      if (told.length === 0) empty.push(`${board.uid}, ${where}: ${expr}`);
    }
    for (const { metric, label } of variablesOf(board)) {
      const known = await prometheus.get(`label/${label}/values`, { 'match[]': metric });
      assert.deepEqual(known, [label === 'namespace' ? namespace : 'tiny']);
    }
  }
  assert.deepEqual(empty, []);

  // The alerts are evaluated, and a run without trouble raises none.
  const { groups } = (await prometheus.get('rules', {})) as { groups: readonly { rules: readonly Rule[] }[] };
  assert.deepEqual(
    groups.flatMap(({ rules }) => rules.map(({ name, health, state }) => ({ name, health, state }))),
    ALERTS.map(({ name }) => ({ name, health: 'ok', state: 'inactive' })),
  );

  const picture = await plotTraining(trainingBoard(), ask, {
    title: 'A training of phantoms, as Prometheus has it',
    namespace,
    name: 'tiny',
  });
  assert.ok(picture.length > 10_000);
});

type Rule = { readonly name: string; readonly health: string; readonly state: string };
