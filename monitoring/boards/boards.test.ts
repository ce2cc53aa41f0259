/** The boards as they stand: every query is about metrics that are documented, and every panel has its place and says what it shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { drift } from '../../crds/generated-files.ts';
import { generated } from '../generate.ts';
import { fleetBoard } from './fleet.ts';
import { metricsIn, queriesOf, variablesOf } from './queries-of.ts';
import { trainingBoard } from './training.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCUMENTED = readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8');
const BOARDS = [fleetBoard(), trainingBoard()];

for (const [path, content] of generated()) {
  test(`${path} is what its source generates`, () => assert.deepEqual(drift(readFileSync(join(ROOT, path), 'utf8'), content), []));
}

for (const board of BOARDS) {
  test(`every metric of the board ${board.uid} is on the page of metrics`, () => {
    const asked = [...queriesOf(board).flatMap(({ expr }) => metricsIn(expr)), ...variablesOf(board).map(({ metric }) => metric)];
    assert.ok(asked.length > 20);
    for (const metric of asked) assert.ok(DOCUMENTED.includes(`| \`${metric}\` |`), metric);
  });

  test(`panels of the board ${board.uid} have an id each, explain themselves, fit, and do not overlap`, () => {
    assert.equal(new Set(board.panels.map(({ id }) => id)).size, board.panels.length);
    const taken = new Set<string>();
    for (const panel of board.panels) {
      const { x, y, w, h } = panel.gridPos ?? assert.fail(panel.title);
      assert.ok(x + w <= 24, panel.title);
      for (let column = x; column < x + w; column += 1) {
        for (let line = y; line < y + h; line += 1) {
          assert.ok(!taken.has(`${column} ${line}`), `${panel.title} lies on another`);
          taken.add(`${column} ${line}`);
        }
      }
      if ('description' in panel) assert.match(panel.description ?? '', /[.]$/, panel.title);
      else assert.equal(panel.type, 'row');
    }
  });

  test(`queries of the board ${board.uid} name only variables that it has, and each is told from its neighbours`, () => {
    const known = new Set(board.templating?.list?.map(({ name }) => name));
    for (const { where, expr } of queriesOf(board))
      for (const [, name] of expr.matchAll(/\$\{?(\w+)/g)) assert.ok(known.has(name ?? ''), `${where}: $${name}`);
    for (const panel of board.panels) {
      const ids = ('targets' in panel ? (panel.targets ?? []) : []).map(({ refId }) => refId);
      assert.equal(new Set(ids).size, ids.length, panel.title);
    }
  });
}

test('the boards lead to one another', () => {
  const [fleet, training] = BOARDS;
  assert.equal(fleet?.links?.[0]?.url, `/d/${training?.uid}`);
  assert.equal(training?.links?.[0]?.url, `/d/${fleet?.uid}`);
});
