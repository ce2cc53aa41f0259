/** docs/reference/events.md says what the operator tells. */
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EVENTS, type EventRow } from './events.ts';

const DOCUMENT = join(import.meta.dirname, '../docs/reference/events.md');
const HEAD = `# Events

What the operator tells of an object, once per occurrence, as events of \`events.k8s.io/v1\` whose reporting controller is \`pggan.dev/operator\`. They are found from the written
status alone, so that another operator tells nothing twice; API servers keep them for an hour, and one that is away may miss some: conditions and counters in the status last.
This page is made from the table in \`operator/events.ts\` (\`PGGAN_WRITE_DOCS=1 node --test operator/events.test.ts\` writes it again).

| to see | command |
|---|---|
| events of a training | \`kubectl events --for pggantraining/NAME\` |
| all that waits for a person | \`kubectl get events -A --field-selector reason=Stalled\` |

| reason | type | of | when |
|---|---|---|---|
`;

const KINDS: Readonly<Record<EventRow['of'], string>> = { PGGANTraining: 'PGGANTraining', both: 'PGGANTraining, SynthesisJob' };

test('docs/reference/events.md names every event, its type, and when it comes', () => {
  const rows = Object.entries(EVENTS).map(([reason, { type, of, when }]) => `| \`${reason}\` | ${type} | ${KINDS[of]} | ${when} |\n`);
  const text = HEAD + rows.join('');
  if (process.env['PGGAN_WRITE_DOCS'] === '1') writeFileSync(DOCUMENT, text);
  assert.equal(readFileSync(DOCUMENT, 'utf8'), text);
});

test('no event is documented that nobody tells', () => {
  const files = globSync('**/*.ts', { cwd: import.meta.dirname }).filter((file) => file !== 'events.ts' && !file.endsWith('.test.ts'));
  const code = files.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8')).join('\n');
  // As the first argument of happening(), or in the list of reasons of conditions that are told.
  for (const reason of Object.keys(EVENTS)) assert.match(code, new RegExp(`(happening\\(\\s*|[\\[\\s])'${reason}'`), reason);
});
