import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { driverOf, lockRun } from './lock.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'pggan-lock-'));

test('a second driver of a run is refused with the process that drives it, until the first gives the lock back', () => {
  const run = folder();
  const release = lockRun(run);
  assert.equal(driverOf(run), process.pid);
  assert.throws(
    () => lockRun(run),
    (error) => error instanceof PgganError && error.code === 'RunOwned' && error.message.includes(String(process.pid)),
  );
  release();
  assert.equal(driverOf(run), undefined);
  lockRun(run)();
  assert.deepEqual(readdirSync(run), []);
});

test('the lock of a dead process is taken over, also where its pid is in use again', () => {
  const run = folder();
  writeFileSync(join(run, 'pggan-driver.json'), JSON.stringify({ pid: process.pid, startTime: 1 }));
  assert.equal(driverOf(run), undefined);
  lockRun(run)();
});

test('a damaged lock belongs to nobody', () => {
  const run = folder();
  writeFileSync(join(run, 'pggan-driver.json'), '{');
  lockRun(run)();
});
