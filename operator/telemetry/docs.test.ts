/** docs/reference/metrics.md says what /metrics says. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FAMILIES } from '../../trainer/report/metrics-text.ts';
import type { ObjectMetric } from './exposition.ts';
import { createMetrics } from './metrics.ts';
import { SYNTHESIS_METRICS, TRAINING_METRICS } from './object-metrics.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/reference/metrics.md');
const HEAD = `# Metrics

The operator's are served at \`/metrics\` of its telemetry port (8081), those of a trainer's pod at \`/metrics\` of its port 8080. This page is made from the tables in
\`operator/telemetry/object-metrics.ts\` and \`trainer/report/metrics-text.ts\` and from the operator's own metrics
(\`PGGAN_WRITE_DOCS=1 node --test operator/telemetry/docs.test.ts\` writes it again).

Metrics of objects carry \`namespace\` and \`name\`, are read from the objects when they are asked for, and end with them. Only the leader tells of objects. Figures of a running
phase are as old as its last progress (\`pggan_training_progress_timestamp_seconds\`). Times are Unix times: \`time() - pggan_training_checkpoint_timestamp_seconds\` is the age of a
checkpoint. A training in its eighth phase has 115 series, and 123 where each phase waited for a queue. Trainer pods tell the same and a little more of themselves, as it is at the moment; where
Prometheus reads both, one of the two is enough for most.

| to see | query |
|---|---|
| loss per resolution | \`pggan_training_loss{network="generator"}\` |
| trainings that wait for a person | \`pggan_training_condition{condition="Stalled"} == 1\` |
| checkpoints older than two hours of what is unfinished | \`time() - pggan_training_checkpoint_timestamp_seconds > 7200 and on(namespace, name) pggan_training_condition{condition="Succeeded"} != 1\` |
| who waits for a store, and why | \`pggan_training_reason{reason=~"Store.+"}\` |
| age of the newest checkpoint | \`time() - pggan_training_checkpoint_timestamp_seconds\` |
| longest wait for a queue | \`max by (namespace, name) (pggan_training_phase_wait_seconds{stage="queue"})\` |
| days left | \`(pggan_training_estimated_completion_timestamp_seconds - time()) / 86400\` |
| failures in a day | \`increase(pggan_training_failures_total[1d])\` |

Boards, alerts and how to scrape: [monitoring](../guides/monitoring.md).
`;

type Row = {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly labels: readonly string[];
  readonly help: string;
};

const table = (title: string, rows: readonly Row[]): string =>
  `\n## ${title}\n\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n${rows
    .map(({ name, type, unit, labels, help }) => `| \`${name}\` | ${type} | ${unit} | ${labels.join(', ') || '-'} | ${help} |\n`)
    .join('')}`;

const ofObjects = <T>(metrics: readonly ObjectMetric<T>[]): readonly Row[] => metrics;

/** Its own, but those of Node itself. prom-client's types do not show the labels that a metric was made with. */
async function own(): Promise<readonly Row[]> {
  const { registry } = createMetrics();
  const labelsOf = (name: string) =>
    (registry.getSingleMetric(name) as { readonly labelNames?: readonly string[] } | undefined)?.labelNames ?? [];
  const all = await registry.getMetricsAsJSON();
  return all
    .filter(({ name }) => name.startsWith('pggan_operator_'))
    .map(({ name, type, help }) => ({
      name,
      type: String(type),
      unit: name.endsWith('_seconds') ? 'seconds' : '1',
      labels: labelsOf(name),
      help,
    }));
}

type Described = Omit<Row, 'type'>;
const gauges = (families: readonly Described[]): readonly Row[] =>
  families.map(({ name, unit, labels, help }) => ({ name, type: 'gauge', unit, labels, help }));

test('docs/reference/metrics.md names every metric of the operator and of its pods, with its meaning', async () => {
  const text = [
    HEAD,
    table('Trainings', ofObjects(TRAINING_METRICS)),
    table('Syntheses', ofObjects(SYNTHESIS_METRICS)),
    table('The operator itself', await own()),
    table('A process that trains', gauges(FAMILIES.training)),
    table('A process that draws', gauges(FAMILIES.synthesis)),
  ].join('');
  if (process.env['PGGAN_WRITE_DOCS'] === '1') writeFileSync(DOCUMENT, text);
  assert.equal(readFileSync(DOCUMENT, 'utf8'), text);
});

test('names follow the conventions: counters and only they end in _total, times are in seconds, and none is there twice', async () => {
  const rows = [
    ...ofObjects(TRAINING_METRICS),
    ...ofObjects(SYNTHESIS_METRICS),
    ...(await own()),
    ...gauges(FAMILIES.training),
    ...gauges(FAMILIES.synthesis),
  ];
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
  for (const { name, type, help } of rows) {
    assert.match(name, /^pggan_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.match(help, /\.$/, name);
  }
  // Those of Node itself keep to what promtool asks of names, too.
  for (const { name, type } of await createMetrics().registry.getMetricsAsJSON())
    assert.equal(name.endsWith('_total'), String(type) === 'counter', name);
});
