/** What kstatus, Argo CD and Flux make of every state that the operator can leave an object in: what docs/states.md promises. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { HEALTH } from '../operator/health.ts';
import { ARGO, judgeHealth } from './harness/judge-health.ts';
import { type Case, CASES, fileOf, objectsOf } from './harness/recorded-states.ts';

const messageOf = ({ object }: Case, type: string): string | undefined =>
  object.status.conditions?.find((condition) => condition.type === type && condition.status === 'True')?.message;

for (const [kind, cases] of Object.entries(CASES)) {
  test(`every state of a ${kind} is to kstatus, Argo CD and Flux what docs/states.md says`, (t) => {
    const verdicts = judgeHealth(t, objectsOf(cases));
    if (!verdicts) return;
    const said = verdicts.map(({ kstatus, argo, flux }, at) => {
      return { state: cases[at]?.state, kstatus: kstatus.status, argo: argo.status, flux: flux.status };
    });
    assert.deepEqual(
      said,
      cases.map(({ state, health }) => ({ state, ...HEALTH[health] })),
    );
  });

  test(`what a stalled ${kind} needs is said by kstatus and Argo CD in the operator's words`, (t) => {
    const failed = cases.filter(({ health }) => health === 'failed');
    const verdicts = judgeHealth(t, objectsOf(failed));
    for (const [at, verdict] of (verdicts ?? []).entries()) {
      const words = messageOf(failed[at] ?? assert.fail(), 'Stalled');
      assert.ok(words);
      assert.deepEqual([verdict.kstatus.message, verdict.argo.message], [words, words]);
    }
  });

  test(`a ${kind} that was seen is Reconciling, Stalled or neither, as its health has it`, () => {
    const marks = { working: ['Reconciling'], failed: ['Stalled'], suspended: [], done: [], going: ['Reconciling'] };
    for (const { state, health, object } of cases) {
      if (object.status.observedGeneration !== object.metadata.generation) continue;
      const marked = object.status.conditions?.map(({ type }) => type).filter((type) => type === 'Reconciling' || type === 'Stalled');
      assert.deepEqual(marked, marks[health], state);
    }
    const unseen = cases.filter(({ object }) => object.status.observedGeneration !== object.metadata.generation);
    assert.deepEqual(
      unseen.map(({ state }) => state),
      kind === 'PGGANTraining' ? ['Not seen', 'Extended, not seen'] : ['Not seen'],
    );
  });

  test(`the cases beside ${kind}/health.lua, which Argo CD's own tests read, are states of ours`, (t) => shippedCases(t, kind, cases));
}

test('both kinds have the same script for Argo CD: their conditions mean the same', () => {
  const [training, synthesis] = Object.keys(CASES).map((kind) => readFileSync(join(ARGO, 'pggan.dev', kind, 'health.lua'), 'utf8'));
  assert.equal(training, synthesis);
});

const SHIPPED = ['Not seen', 'Training', 'Synthesizing', 'Exit 2', 'Suspended', 'Succeeded', 'Extended, not seen', 'Deleted'];

/** In the layout of Argo CD's resource_customizations. */
function shippedCases(t: TestContext, kind: string, cases: readonly Case[]): void {
  const chosen = SHIPPED.flatMap((state) => cases.filter((each) => each.state === state));
  const verdicts = judgeHealth(t, objectsOf(chosen));
  if (!verdicts) return;
  const inputs = chosen.map(({ state }) => `testdata/${fileOf(state)}.yaml`);
  const tests = verdicts.map(({ argo }, at) => ({ healthStatus: argo, inputPath: inputs[at] }));
  const folder = join(ARGO, 'pggan.dev', kind);
  const files = new Map([
    ['health_test.yaml', stringify({ tests }, { lineWidth: 0 })],
    ...chosen.map(({ object }, at): [string, string] => [inputs[at] ?? '', stringify(object, { lineWidth: 0 })]),
  ]);
  if (process.env['PGGAN_WRITE_DOCS'] === '1') {
    for (const [path, content] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
  }
  for (const [path, content] of files) assert.equal(readFileSync(join(folder, path), 'utf8'), content, path);
  const there = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = there
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
    .filter((name) => !name.startsWith('actions/'));
  assert.deepEqual(names.sort(), [...files.keys(), 'health.lua'].sort());
}
