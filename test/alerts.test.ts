/** The alerts by Prometheus' own tool: each fires for what it is about, and keeps quiet about what looks like it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { ALERTS } from '../monitoring/alerts.ts';
import { binary } from './harness/binaries.ts';
import { CHART } from './harness/helm.ts';

const RULES = join(CHART, 'alerts.yaml');
const RUNBOOKS = join(import.meta.dirname, '../docs/runbooks');
const DOCUMENTED = readFileSync(join(import.meta.dirname, '../docs/reference/metrics.md'), 'utf8');

/** Values once a minute, as promtool writes them: `1x90` is 1 and 90 times more. */
type Series = Readonly<Record<string, string>>;
type Case = {
  readonly name: string;
  readonly alert: string;
  readonly series: Series;
  readonly at: string;
  /** Absent: it keeps quiet. */
  readonly fires?: { readonly labels: Readonly<Record<string, string>>; readonly summary: string };
};

const OF = 'namespace="research", name="a"';
const labels = { namespace: 'research', name: 'a' };
const reason = (word: string, values = '1x600'): Series => ({ [`pggan_training_reason{${OF}, reason="${word}"}`]: values });
const condition = (type: string, values: string): Series => ({ [`pggan_training_condition{${OF}, condition="${type}"}`]: values });
const inTraining: Series = { ...reason('Training'), [`pggan_training_resolution_pixels{${OF}}`]: '8x600' };
const norm = (resolution: number, value: number): Series => ({
  [`pggan_training_gradient_norm{${OF}, resolution="${resolution}"}`]: `${value}x600`,
});
const saving = (checkpoint: string): Series => ({
  ...inTraining,
  [`pggan_training_checkpoint_interval_seconds{${OF}}`]: '600x600',
  [`pggan_training_checkpoint_timestamp_seconds{${OF}}`]: checkpoint,
});
const diverges = { labels, summary: 'PGGANTraining research/a diverges' };

const CASES: readonly Case[] = [
  {
    name: 'a stalled training',
    alert: 'PGGANTrainingStalled',
    series: { ...condition('Stalled', '1x60'), ...reason('OutOfMemory') },
    at: '6m',
    fires: { labels: { ...labels, reason: 'OutOfMemory' }, summary: 'PGGANTraining research/a waits for a person: OutOfMemory' },
  },
  {
    name: 'a stalled training whose operator was replaced meanwhile',
    alert: 'PGGANTrainingStalled',
    series: {
      [`pggan_training_condition{${OF}, condition="Stalled", instance="1"}`]: '1x3 stale',
      [`pggan_training_reason{${OF}, reason="Invalid", instance="1"}`]: '1x3 stale',
      [`pggan_training_condition{${OF}, condition="Stalled", instance="2"}`]: '_x3 1x60',
      [`pggan_training_reason{${OF}, reason="Invalid", instance="2"}`]: '_x3 1x60',
    },
    at: '6m',
    fires: { labels: { ...labels, reason: 'Invalid' }, summary: 'PGGANTraining research/a waits for a person: Invalid' },
  },
  {
    name: 'a training that was stalled for a moment',
    alert: 'PGGANTrainingStalled',
    series: { ...condition('Stalled', '1x4 stale'), ...reason('Training') },
    at: '4m',
  },
  {
    name: 'a stalled synthesis',
    alert: 'SynthesisJobStalled',
    series: {
      [`pggan_synthesisjob_condition{${OF}, condition="Stalled"}`]: '1x60',
      [`pggan_synthesisjob_reason{${OF}, reason="Invalid"}`]: '1x60',
    },
    at: '6m',
    fires: { labels: { ...labels, reason: 'Invalid' }, summary: 'SynthesisJob research/a waits for a person: Invalid' },
  },
  {
    name: 'a gradient norm far above 1',
    alert: 'PGGANTrainingDiverging',
    series: { ...inTraining, ...norm(8, 9) },
    at: '31m',
    fires: diverges,
  },
  {
    name: 'ticks without a loss',
    alert: 'PGGANTrainingDiverging',
    series: { ...inTraining, [`pggan_training_seconds_per_kimg{${OF}}`]: '5x600' },
    at: '31m',
    fires: diverges,
  },
  {
    name: 'ticks with losses, after a phase that ended badly',
    alert: 'PGGANTrainingDiverging',
    series: {
      ...inTraining,
      ...norm(4, 9),
      ...norm(8, 1.2),
      [`pggan_training_seconds_per_kimg{${OF}}`]: '5x600',
      [`pggan_training_loss{${OF}, resolution="8", network="generator"}`]: '1x600',
    },
    at: '60m',
  },
  { name: 'a norm that has been high for a moment', alert: 'PGGANTrainingDiverging', series: { ...inTraining, ...norm(8, 9) }, at: '20m' },
  {
    name: 'what diverged and has been suspended',
    alert: 'PGGANTrainingDiverging',
    series: { ...inTraining, ...norm(8, 9), ...reason('Training', '1x10 stale'), ...reason('Suspended', '_x10 1x600') },
    at: '60m',
  },
  {
    name: 'a checkpoint that is four intervals old',
    alert: 'PGGANCheckpointTooOld',
    series: saving('0x600'),
    at: '50m',
    fires: { labels, summary: 'PGGANTraining research/a has saved nothing for 50m 0s' },
  },
  {
    name: 'a process that has saved nothing since it started',
    alert: 'PGGANCheckpointTooOld',
    series: {
      ...inTraining,
      [`pggan_training_checkpoint_interval_seconds{${OF}}`]: '600x600',
      [`pggan_training_phase_pod_start_timestamp_seconds{${OF}, resolution="8"}`]: '600x600',
    },
    at: '60m',
    fires: { labels, summary: 'PGGANTraining research/a has saved nothing for 50m 0s' },
  },
  { name: 'checkpoints that come when they are due', alert: 'PGGANCheckpointTooOld', series: saving('0+60x600'), at: '300m' },
  {
    name: 'an old checkpoint of what has waited for its queue and has just begun again',
    alert: 'PGGANCheckpointTooOld',
    series: { ...saving('0x600'), [`pggan_training_phase_pod_start_timestamp_seconds{${OF}, resolution="8"}`]: '_x200 12000x400' },
    at: '210m',
  },
  {
    name: 'an old checkpoint of what is complete',
    alert: 'PGGANCheckpointTooOld',
    series: { ...saving('0x600'), ...reason('Training', '1x10 stale'), ...reason('Complete', '_x10 1x600') },
    at: '300m',
  },
  {
    name: 'three failures in an hour',
    alert: 'PGGANTrainingRestarting',
    series: { [`pggan_training_failures_total{${OF}}`]: '0x59 1 2 3x60' },
    at: '70m',
    fires: { labels, summary: 'PGGANTraining research/a failed 3 times in an hour' },
  },
  {
    name: 'two failures in an hour, and one before',
    alert: 'PGGANTrainingRestarting',
    series: { [`pggan_training_failures_total{${OF}}`]: '0x9 1x79 2x9 3x60' },
    at: '120m',
  },
  {
    name: 'disruptions, which are no failures',
    alert: 'PGGANTrainingRestarting',
    series: { [`pggan_training_failures_total{${OF}}`]: '0x100', [`pggan_training_disruptions_total{${OF}}`]: '0+1x100' },
    at: '70m',
  },
  {
    name: 'a full store',
    alert: 'PGGANStoreFailing',
    series: reason('StoreFull'),
    at: '16m',
    fires: { labels: { ...labels, reason: 'StoreFull' }, summary: 'research/a waits for its store: StoreFull' },
  },
  {
    name: 'a store that a synthesis misses',
    alert: 'PGGANStoreFailing',
    series: { [`pggan_synthesisjob_reason{${OF}, reason="StoreUnavailable"}`]: '1x60' },
    at: '16m',
    fires: { labels: { ...labels, reason: 'StoreUnavailable' }, summary: 'research/a waits for its store: StoreUnavailable' },
  },
  {
    name: 'a store that restarts',
    alert: 'PGGANStoreFailing',
    series: { ...reason('StoreUnavailable', '1x5 stale'), ...reason('Training', '_x5 1x600') },
    at: '5m',
  },
  {
    name: 'no operator at all',
    alert: 'PGGANOperatorDown',
    series: { up: '1x60' },
    at: '6m',
    fires: { labels: {}, summary: 'No pggan-operator leads' },
  },
  {
    name: 'operators of which none leads',
    alert: 'PGGANOperatorDown',
    series: { 'pggan_operator_leader{instance="1"}': '1x10 0x60', 'pggan_operator_leader{instance="2"}': '0x70' },
    at: '17m',
    fires: { labels: {}, summary: 'No pggan-operator leads' },
  },
  {
    name: 'a leader that is replaced within a minute',
    alert: 'PGGANOperatorDown',
    series: { 'pggan_operator_leader{instance="1"}': '1x10 stale', 'pggan_operator_leader{instance="2"}': '0x11 1x60' },
    at: '11m',
  },
  {
    name: 'a watch on which nothing is heard',
    alert: 'PGGANOperatorWatchStale',
    series: { 'pggan_operator_watch_staleness_seconds{instance="1", resource="pods"}': '0+60x60' },
    at: '12m',
    fires: { labels: { instance: '1', resource: 'pods' }, summary: 'pggan-operator has not heard of pods for 12m 0s' },
  },
  {
    name: 'a watch that is heard of once a minute',
    alert: 'PGGANOperatorWatchStale',
    series: { 'pggan_operator_watch_staleness_seconds{instance="1", resource="pods"}': '50x60' },
    at: '50m',
  },
  {
    name: 'a night in the queue',
    alert: 'PGGANQueueWait',
    series: reason('Queued'),
    at: '361m',
    fires: { labels, summary: 'research/a has been queued for six hours' },
  },
  { name: 'five hours in the queue', alert: 'PGGANQueueWait', series: reason('Queued'), at: '300m' },
];

test('promtool: every alert fires for what it is about, and keeps quiet about what looks like it', (t) => {
  const promtool = binary(t, 'promtool');
  if (promtool === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'pggan-alerts-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'tests.yaml');
  writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests: CASES.map(promtoolCase) }));
  const said = [
    ['check', 'rules', '--lint=all', '--lint-fatal', RULES],
    ['test', 'rules', file],
  ].map((args) => spawnSync(promtool, args, { encoding: 'utf8' }));
  for (const { status, stdout, stderr } of said) assert.equal(status, 0, stdout + stderr);
});

function promtoolCase({ name, alert, series, at, fires }: Case): object {
  const { severity, description } = ALERTS.find((row) => row.name === alert) ?? assert.fail(alert);
  const fired = fires && {
    exp_labels: { ...fires.labels, severity },
    exp_annotations: { summary: fires.summary, description },
  };
  return {
    name,
    interval: '1m',
    input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: fired ? [fired] : [] }],
  };
}

test('every alert is tried both ways, and is about metrics that are documented', () => {
  for (const { name, expr } of ALERTS) {
    const [loud, quiet] = [true, false].map((wanted) =>
      CASES.filter(({ alert, fires }) => alert === name && (fires !== undefined) === wanted),
    );
    assert.ok(loud?.length, `no case in which ${name} fires`);
    if (name !== 'SynthesisJobStalled') assert.ok(quiet?.length, `no case in which ${name} keeps quiet`);
    for (const [metric] of expr.matchAll(/\bpggan_\w+/g)) assert.ok(DOCUMENTED.includes(`| \`${metric}\` |`), metric);
  }
});

test('every alert has its page of what to do, and there is no page without an alert', () => {
  assert.ok(existsSync(RUNBOOKS));
  assert.deepEqual(readdirSync(RUNBOOKS).sort(), [...ALERTS.map(({ name }) => `${name}.md`), 'README.md'].sort());
});
