/** kube-state-metrics finds what it is told to look for: every path leads to a field of the definition, to one that has a value or can be a label. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { customResourceDefinition, KINDS } from '../crds/crd.ts';
import type { Structural } from '../crds/structural.ts';
import { STATE_METRICS } from './state-metrics.ts';

/** Of the server itself, which the definition leaves to it. */
const METADATA: Structural = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    namespace: { type: 'string' },
    generation: { type: 'integer' },
    creationTimestamp: { type: 'string', format: 'date-time' },
  },
};

type Each = {
  readonly type: 'Info' | 'Gauge';
  readonly info?: { readonly labelsFromPath: Paths };
  readonly gauge?: { readonly path: readonly string[]; readonly valueFrom?: readonly string[]; readonly labelsFromPath?: Paths };
};
type Paths = Readonly<Record<string, readonly string[]>>;
type Resource = {
  readonly groupVersionKind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly metricNamePrefix: string;
  readonly labelsFromPath: Paths;
  readonly metrics: readonly { readonly name: string; readonly help: string; readonly each: Each }[];
};

const FILE = join(import.meta.dirname, '../manifests/kube-state-metrics.yaml');
const { spec } = parse(readFileSync(FILE, 'utf8')) as { readonly spec: { readonly resources: readonly Resource[] } };

const at = (schema: Structural, path: readonly string[]): Structural | undefined =>
  path.reduce<Structural | undefined>((node, step) => node?.properties?.[step] ?? node?.additionalProperties, schema);

/** Numbers, truth and times; and the status of a condition, which reads True, False or Unknown. */
const countable = ({ type, format, enum: words }: Structural): boolean =>
  type === 'integer' || type === 'number' || type === 'boolean' || format === 'date-time' || words?.includes('True') === true;
const scalar = ({ type }: Structural): boolean => type === 'string' || type === 'integer' || type === 'boolean';

function assertLabels(from: Structural, paths: Paths = {}): void {
  for (const [label, path] of Object.entries(paths)) assert.ok(scalar(at(from, path) ?? assert.fail(`${label}: ${path.join('.')}`)), label);
}

for (const { groupVersionKind, labelsFromPath, metrics } of spec.resources) {
  test(`every path of the metrics of a ${groupVersionKind.kind} leads to a field that has a value`, () => {
    const kind = KINDS.find((one) => one.kind === groupVersionKind.kind) ?? assert.fail(groupVersionKind.kind);
    const { spec: definition } = customResourceDefinition(kind);
    assert.equal(groupVersionKind.group, definition.group);
    const version = definition.versions.find(({ name }) => name === groupVersionKind.version) ?? assert.fail(groupVersionKind.version);
    const root = version.schema.openAPIV3Schema;
    const object: Structural = { ...root, properties: { ...root.properties, metadata: METADATA } };
    assertLabels(object, labelsFromPath);
    for (const { name, each } of metrics) {
      if (each.info) assertLabels(object, each.info.labelsFromPath);
      if (!each.gauge) continue;
      const { path, valueFrom = [], labelsFromPath: own } = each.gauge;
      const found = at(object, path) ?? assert.fail(`${name}: ${path.join('.')}`);
      const entry = found.items ?? found;
      assert.ok(countable(at(entry, valueFrom) ?? assert.fail(`${name}: ${valueFrom.join('.')}`)), name);
      assertLabels(entry, own);
    }
  });
}

test('a metric has one name, and says what it is', () => {
  assert.deepEqual(
    spec.resources.map(({ groupVersionKind }) => groupVersionKind.kind),
    KINDS.map(({ kind }) => kind),
  );
  for (const metrics of Object.values(STATE_METRICS)) {
    assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
    for (const { name, help } of metrics) {
      assert.match(name, /^[a-z_]+$/);
      assert.match(help, /\.$/);
    }
  }
});
