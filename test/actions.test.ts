/** Argo CD's actions on every state that the operator can leave an object in: what is offered, and that each changes one thing only. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { RETRY_ANNOTATION } from '../operator/training/plan.ts';
import { ARGO, judgeHealth } from './harness/judge-health.ts';
import { type Case, CASES, fileOf, objectsOf, type Stored } from './harness/recorded-states.ts';

const holds = ({ status }: Stored, type: string): boolean =>
  status.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

/** What may be asked of an object. */
function offered(object: Stored): Readonly<Record<string, boolean>> {
  const stays = object.metadata.deletionTimestamp === undefined;
  const suspended = object.spec.suspend === true;
  return {
    suspend: stays && !suspended && !holds(object, 'Succeeded'),
    resume: stays && suspended,
    retry: stays && holds(object, 'Stalled'),
  };
}

function retried({ metadata, ...object }: Stored, value: string): object {
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, [RETRY_ANNOTATION]: value } } };
}

for (const [kind, cases] of Object.entries(CASES)) {
  test(`Argo CD offers for a ${kind} what can be done in its state, and each action does that and nothing else`, (t) => {
    const verdicts = judgeHealth(t, objectsOf(cases));
    for (const [at, { actions }] of (verdicts ?? []).entries()) {
      const { state, object } = cases[at] ?? assert.fail();
      const enabled = Object.fromEntries(Object.entries(actions).map(([name, { disabled }]) => [name, !disabled]));
      assert.deepEqual(enabled, offered(object), state);
      // As it is sent: fields that are undefined here are not there.
      const stored = JSON.parse(JSON.stringify(object)) as Stored;
      const { suspend, resume, retry } = actions;
      if (suspend?.result) assert.deepEqual(suspend.result, { ...stored, spec: { ...stored.spec, suspend: true } }, state);
      if (resume?.result) assert.deepEqual(resume.result, { ...stored, spec: { ...stored.spec, suspend: false } }, state);
      if (retry?.result) assert.deepEqual(retry.result, retried(stored, '1'), state);
    }
  });

  test(`a retry of a ${kind} by Argo CD is always a value that the annotation has not had`, (t) => {
    const stalled = cases.find(({ health }) => health === 'failed')?.object ?? assert.fail();
    const tried = (annotation: string | undefined, handled: string | undefined): Stored => ({
      ...stalled,
      metadata: {
        ...stalled.metadata,
        ...(annotation !== undefined && { annotations: { [RETRY_ANNOTATION]: annotation, other: 'kept' } }),
      },
      status: { ...stalled.status, ...(handled !== undefined && { lastHandledRetry: handled }) },
    });
    const before = [tried('1', '1'), tried('9', '9'), tried(undefined, '4'), tried('2', '7'), tried('yesterday', 'yesterday')];
    const verdicts = judgeHealth(t, before);
    if (!verdicts) return;
    const values = verdicts.map(({ actions }) => ((actions['retry']?.result ?? assert.fail()) as Stored).metadata.annotations);
    assert.deepEqual(
      values.map((annotations) => annotations?.[RETRY_ANNOTATION]),
      ['2', '10', '5', '8', '1'],
    );
    assert.equal(values[0]?.['other'], 'kept');
  });

  test(`the cases beside the actions of a ${kind}, which Argo CD's own tests read, are states of ours`, (t) => {
    const chosen = SHIPPED.flatMap((state) => cases.filter((each) => each.state === state));
    const verdicts = judgeHealth(t, objectsOf(chosen));
    if (!verdicts) return;
    const folder = join(ARGO, 'pggan.dev', kind, 'actions');
    const files = shippedFiles(chosen, verdicts);
    if (process.env['PGGAN_WRITE_DOCS'] === '1') {
      for (const [path, content] of files) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), content);
      }
    }
    for (const [path, content] of files) assert.equal(readFileSync(join(folder, path), 'utf8'), content, path);
    const there = readdirSync(join(folder, 'testdata')).map((name) => `testdata/${name}`);
    assert.deepEqual([...there, 'action_test.yaml'].sort(), [...files.keys()].sort());
  });
}

const read = (...path: string[]): string => readFileSync(join(ARGO, 'pggan.dev', ...path), 'utf8');

test('gitops/argo-cd/argocd-cm.yaml has all scripts, as an administrator would enter them', () => {
  const data = Object.keys(CASES).flatMap((kind) => {
    const definitions = ['suspend', 'resume', 'retry'].map((name) => ({ name, 'action.lua': read(kind, 'actions', name, 'action.lua') }));
    const actions = yaml({ 'discovery.lua': read(kind, 'actions', 'discovery.lua'), definitions });
    return [
      [`resource.customizations.health.pggan.dev_${kind}`, read(kind, 'health.lua')],
      [`resource.customizations.actions.pggan.dev_${kind}`, actions],
    ];
  });
  const expected = `${PATCH_HEAD}${yaml({ data: Object.fromEntries(data) as object })}`;
  const file = join(ARGO, 'argocd-cm.yaml');
  if (process.env['PGGAN_WRITE_DOCS'] === '1') writeFileSync(file, expected);
  assert.equal(readFileSync(file, 'utf8'), expected);
});

const PATCH_HEAD = `# Made of the scripts below pggan.dev (PGGAN_WRITE_DOCS=1 node --test test/actions.test.ts writes it again). Do not edit.
# kubectl -n argocd patch configmap argocd-cm --type merge --patch-file gitops/argo-cd/argocd-cm.yaml
`;

test('both kinds have the same actions, but for words', () => {
  const [training, synthesis] = Object.keys(CASES).map((kind) =>
    ['discovery.lua', 'suspend/action.lua', 'resume/action.lua', 'retry/action.lua'].map((file) =>
      readFileSync(join(ARGO, 'pggan.dev', kind, 'actions', file), 'utf8').replaceAll(/^--.*$/gm, ''),
    ),
  );
  assert.deepEqual(training, synthesis);
});

const SHIPPED = ['Training', 'Synthesizing', 'Suspended', 'Exit 2', 'Succeeded'];

const yaml = (value: unknown): string => stringify(value, { lineWidth: 0 });

/** In the layout of Argo CD's resource_customizations. */
function shippedFiles(chosen: readonly Case[], verdicts: NonNullable<ReturnType<typeof judgeHealth>>): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const discoveryTests: object[] = [];
  const actionTests: object[] = [];
  for (const [at, { actions }] of verdicts.entries()) {
    const { state, object } = chosen[at] ?? assert.fail();
    const inputPath = `testdata/${fileOf(state)}.yaml`;
    files.set(inputPath, yaml(object));
    const named = Object.entries(actions).toSorted(([a], [b]) => a.localeCompare(b));
    discoveryTests.push({ inputPath, result: named.map(([name, { disabled, iconClass }]) => ({ name, disabled, iconClass })) });
    for (const [action, { result }] of named.filter(([, { disabled }]) => !disabled)) {
      const expectedOutputPath = `testdata/${fileOf(state)}-${action}.yaml`;
      files.set(expectedOutputPath, yaml(result));
      actionTests.push({ action, inputPath, expectedOutputPath });
    }
  }
  return files.set('action_test.yaml', yaml({ discoveryTests, actionTests }));
}
