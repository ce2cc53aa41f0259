/** plan() and planSynthesis() by table: every state, what is answered, and the documentation that says the same. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { synthesisStatus } from '../crds/v1alpha1/synthesis-job.ts';
import { HEALTH, type Health } from './health.ts';
import type { Condition } from './kube/conditions.ts';
import { SYNTHESIS_STATES } from './synthesis/states.ts';
import type { Action } from './training/decision.ts';
import { STATES } from './training/states.ts';

const DOCS = join(import.meta.dirname, '../docs');
const DOCUMENT = join(DOCS, 'states.md');
const HEAD = `# States

What the operator, and \`pggan start\` without a cluster, answer to what they see, and what kstatus (\`kubectl\` plugins, Flux, kpt), Argo CD and Flux make of
the object then. Conditions that are not named are False, Unknown or absent; Reconciling and Stalled exist only while they are True.

Stalled is True where a person must act. Succeeded is False, too, where the work has failed: nothing goes on before the object is edited or its
annotation \`pggan.dev/retry\` gets a new value. Where it stays Unknown the work goes on by itself once what holds it up is gone.

The tables are made from tests (\`PGGAN_WRITE_DOCS=1 node --test operator/states.test.ts\` writes them again). The last three columns are what the real
kstatus says, and what [health.lua and the CEL expressions](guides/gitops.md) say that are shipped (\`test/health.test.ts\`).
`;
const COLUMNS = ['state', 'when', 'reason', 'True conditions', 'does', 'kstatus', 'Argo CD', 'Flux'];

const act = (action: Action<unknown>): string => {
  switch (action.kind) {
    case 'createJob':
      return `create ${action.name}`;
    case 'deleteJob':
      return `delete ${action.name}`;
    case 'setSuspend':
      return `${action.suspend ? 'suspend' : 'resume'} ${action.name}`;
    case 'expireJob':
      return `let ${action.name} expire`;
    case 'deleteRun':
      return 'delete the run folder';
    case 'release':
      return 'let the object go';
  }
};

type Answer = {
  readonly conditions: readonly Condition[];
  readonly actions: readonly Action<unknown>[];
};

function row(state: string, when: string, health: Health, { conditions, actions }: Answer): string {
  const reason = conditions.find(({ type }) => type === 'Progressing')?.reason ?? '-';
  const holds = conditions.filter(({ status }) => status === 'True').map(({ type }) => type);
  const { kstatus, argo, flux } = HEALTH[health];
  return line([state, when, reason, holds.join(', ') || '-', actions.map(act).join(', ') || '-', kstatus, argo, flux]);
}

/** Reasons in the first cells of a page's tables. */
const namedIn = (page: string): readonly string[] =>
  [...readFileSync(join(DOCS, page), 'utf8').matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, reason = '']) => reason),
  );

const unnamed = (reasons: readonly string[], page: string): readonly string[] => {
  const named = new Set(namedIn(page));
  return reasons.filter((reason) => !named.has(reason));
};

const stalledBy = (answers: readonly (readonly Condition[])[]): readonly string[] => [
  ...new Set(answers.flatMap((conditions) => conditions.filter(({ type }) => type === 'Stalled').map(({ reason }) => reason))),
];

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
const table = (kind: string, rows: readonly string[]): string =>
  `\n## ${kind}\n\n${line(COLUMNS)}|${'---|'.repeat(COLUMNS.length)}\n${rows.join('')}`;

test('docs/states.md says of every state what is answered to it', () => {
  const trainings = STATES.map(({ state, when, health, world }) => {
    const { last, status } = world();
    return row(state, when, health, { conditions: status?.conditions ?? [], actions: last?.actions ?? [] });
  });
  const syntheses = SYNTHESIS_STATES.map(({ state, when, health, example }) => {
    const { object, plan } = example();
    // An API server would prune or refuse what the CRD does not have.
    if (plan) synthesisStatus.parse(plan.status);
    return row(state, when, health, { conditions: object.status?.conditions ?? [], actions: plan?.actions ?? [] });
  });
  const text = `${HEAD}${table('PGGANTraining', trainings)}${table('SynthesisJob', syntheses)}`;
  if (process.env['PGGAN_WRITE_DOCS'] === '1') writeFileSync(DOCUMENT, text);
  assert.equal(readFileSync(DOCUMENT, 'utf8'), text);
});

test('what to do about every reason of Stalled stands in the runbook of its kind and on the page of symptoms', () => {
  const trainings = stalledBy(STATES.map(({ world }) => world().status?.conditions ?? []));
  const syntheses = stalledBy(SYNTHESIS_STATES.map(({ example }) => example().object.status?.conditions ?? []));
  assert.ok(trainings.includes('JobRefused') && syntheses.includes('JobRefused'));
  assert.deepEqual(unnamed(trainings, 'runbooks/PGGANTrainingStalled.md'), []);
  assert.deepEqual(unnamed(syntheses, 'runbooks/SynthesisJobStalled.md'), []);
  assert.deepEqual(unnamed([...trainings, ...syntheses], 'troubleshooting.md'), []);
});
