import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readState } from './state.ts';

test('notes of a run that are cut off, of another version or not whole are refused with what to do', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-state-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.equal(readState(folder), undefined, 'nothing was started there');
  for (const [text, message] of [
    ['{"version":1,', /pggan-status\.json cannot be read \(.*JSON.*\): delete it; the checkpoints tell where the run stands/],
    ['null', /cannot be read/],
    ['{"version":2}', /its version is 2, not 1/],
    ['{"version":1}', /it lacks kind, name, namespace, uid, run, spec/],
  ] as const) {
    writeFileSync(join(folder, 'pggan-status.json'), text);
    assert.throws(() => readState(folder), { code: 'UsageInvalid', message }, text);
  }
});
