import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileStore } from './file-store.ts';
import { jsonBytes } from './format.ts';
import { acquireRun, type Clock, LEASE_SECONDS, type OwnerRecord, readOwner, systemClock } from './owner.ts';
import { thisProcess } from './process-identity.ts';
import { temporaryFolder } from './test-checkpoints.ts';

const OWNER = { cluster: 'local', namespace: 'default', name: 'tiny', uid: 'u1' };

function here(name: string): string {
  return JSON.stringify(new URL(name, import.meta.url).href);
}

/** A process that takes the run, says so or why not, and stays. */
async function contender(root: string): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const script = `
    import { fileStore } from ${here('./file-store.ts')};
    import { acquireRun, systemClock } from ${here('./owner.ts')};
    try {
      const writer = await acquireRun(fileStore(process.argv[1]), ${JSON.stringify(OWNER)}, systemClock);
      process.stdout.write('epoch ' + writer.epoch + ' attempt ' + writer.attempt);
    } catch (error) {
      process.stdout.write(error.code + ' ' + error.exitCode + ' ' + error.message);
    }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = await new Promise<string>((resolve) => child.stdout?.once('data', (chunk) => resolve(String(chunk))));
  return { child, said };
}

async function killed(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

/** owner.json as a process of another machine left it. */
function foreignRecord(renewed: Date, epoch = 5): OwnerRecord {
  const holder = { host: 'node-7', place: 'elsewhere', pid: 1, startTime: 1 };
  return { version: 1, ...OWNER, epoch, holder, attempt: 3, renewed: renewed.toISOString() };
}

test('a run that nobody has is taken, renewed and released; the next process counts on', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const writer = await acquireRun(store, OWNER, systemClock);
  assert.deepEqual([writer.epoch, writer.attempt], [1, 1]);
  await writer.check();
  await writer.renew();
  await writer.check();
  await writer.release();
  assert.equal((await readOwner(store))?.record.holder, null);
  const next = await acquireRun(store, OWNER, systemClock);
  assert.deepEqual([next.epoch, next.attempt], [2, 2]);
});

test('a preflight takes the run without counting as an attempt', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const preflight = await acquireRun(store, OWNER, systemClock, { trains: false });
  assert.equal(preflight.attempt, 0);
  await preflight.release();
  assert.equal((await acquireRun(store, OWNER, systemClock)).attempt, 1);
});

test('a living process keeps its run from another, which is told who has it; a killed one does not', async (t) => {
  const root = await temporaryFolder(t);
  const first = await contender(root);
  t.after(() => first.child.kill('SIGKILL'));
  assert.equal(first.said, 'epoch 1 attempt 1');
  const store = fileStore(root);
  await assert.rejects(acquireRun(store, OWNER, systemClock), {
    code: 'RunOwned',
    exitCode: 75,
    message: new RegExp(`is being written by process ${first.child.pid} on ${thisProcess().host} \\(training default/tiny\\)$`),
  });
  await killed(first.child);
  const writer = await acquireRun(store, OWNER, systemClock);
  assert.deepEqual([writer.epoch, writer.attempt], [2, 2]);
});

test('of processes that take a run at the same moment exactly one has it', async (t) => {
  const root = await temporaryFolder(t);
  const contenders = await Promise.all([1, 2, 3].map(() => contender(root)));
  t.after(() => contenders.forEach(({ child }) => child.kill('SIGKILL')));
  const said = contenders.map((contender) => contender.said).sort();
  assert.deepEqual(
    said.map((text) => text.slice(0, 11)),
    ['RunOwned 75', 'RunOwned 75', 'epoch 1 att'],
  );
});

test('a holder on another machine keeps the run until its lease has run out', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const renewed = new Date('2026-01-01T00:00:00Z');
  await store.write('owner.json', [jsonBytes(foreignRecord(renewed))]);
  const at = (seconds: number): Clock => ({ now: () => new Date(renewed.getTime() + seconds * 1000) });
  await assert.rejects(acquireRun(store, OWNER, at(LEASE_SECONDS - 15)), {
    code: 'RunOwned',
    message: /process 1 on node-7 .* free in 15 s$/,
  });
  const writer = await acquireRun(store, OWNER, at(LEASE_SECONDS + 1));
  assert.deepEqual([writer.epoch, writer.attempt], [6, 4]);
});

test('a writer that has been taken over notices before it commits, and its release harms nobody', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const writer = await acquireRun(store, OWNER, systemClock);
  await store.write('owner.json', [jsonBytes(foreignRecord(new Date(), 2))]);
  const lost = { code: 'RunOwned', message: /has been taken over by process 1 on node-7/ };
  await assert.rejects(writer.check(), lost);
  await assert.rejects(writer.renew(), lost);
  await writer.release();
  assert.equal((await readOwner(store))?.record.holder?.host, 'node-7');
});

test('a run whose owner.json was deleted is nobody’s: the writer stops', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const writer = await acquireRun(store, OWNER, systemClock);
  await store.remove('owner.json');
  await assert.rejects(writer.check(), { code: 'RunOwned', message: /nobody any more/ });
});

test('checks and renewals of one writer at the same time do not get in each other’s way', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const writer = await acquireRun(store, OWNER, systemClock);
  await Promise.all([writer.renew(), writer.check(), writer.renew(), writer.check(), writer.renew()]);
  await writer.check();
});

for (const [what, bytes] of [
  ['torn', '{"version":1,'],
  ['of another format', '{"version":2}'],
] as const) {
  test(`an owner.json that is ${what} is named, not overwritten`, async (t) => {
    const store = fileStore(await temporaryFolder(t));
    await store.write('owner.json', [Buffer.from(bytes)]);
    await assert.rejects(acquireRun(store, OWNER, systemClock), { code: 'CheckpointInvalid', message: /^owner\.json in file:/ });
    assert.equal(String(await store.read('owner.json')), bytes);
  });
}
