import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { temporaryFolder } from '../../trainer/data/test-folders.ts';
import { driverOf, lockRun } from './lock.ts';

test('a second driver of a run is refused with the process that drives it, until the first gives the lock back', async (t) => {
  const run = await temporaryFolder(t);
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

test('the lock of a dead process is taken over, also where its pid is in use again', async (t) => {
  const run = await temporaryFolder(t);
  writeFileSync(join(run, 'pggan-driver.json'), JSON.stringify({ pid: process.pid, startTime: 1 }));
  assert.equal(driverOf(run), undefined);
  lockRun(run)();
});

test('a damaged lock belongs to nobody', async (t) => {
  const run = await temporaryFolder(t);
  writeFileSync(join(run, 'pggan-driver.json'), '{');
  lockRun(run)();
});

test('a run folder that was made for the lock goes with it where nothing was put into it, and stays otherwise', async (t) => {
  const base = await temporaryFolder(t);
  const run = join(base, 'runs/default/x');
  lockRun(run)();
  assert(!existsSync(join(base, 'runs')), 'an empty run folder was left behind');
  const release = lockRun(run);
  writeFileSync(join(run, 'owner.json'), '{}');
  release();
  assert.deepEqual(readdirSync(run), ['owner.json']);
});

test('a folder that cannot be made is refused by name, with a reason and a way out', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  writeFileSync(file, '');
  assert.throws(
    () => lockRun(join(file, 'run')),
    (error) => error instanceof PgganError && error.code === 'StoreUnavailable' && /file\/run .*is a file.*--output/.test(error.message),
  );
});
