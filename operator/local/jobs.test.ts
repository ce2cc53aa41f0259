/** Local Jobs with real processes that keep the trainer's contract. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createWake, drive, type Round, type Wake } from './drive.ts';
import { createJobs, type Jobs, type LocalJob, restartDelay } from './jobs.ts';
import { lastDocument, observed } from './observe.ts';
import { readProgress } from '../progress/read.ts';

/**
 * A process by the contract: says its port, serves /progress, then does what its n-th start is told in `ends`: an exit code, a signal to die
 * of, 'owned' (exit 75, another process has the run) or 'wait' (until SIGTERM or the end of stdin, then exit 75 with a termination message).
 */
const PROGRAM = `
const fs = require('node:fs');
const [counter, ends] = process.argv.slice(1);
const starts = fs.existsSync(counter) ? Number(fs.readFileSync(counter, 'utf8')) : 0;
fs.writeFileSync(counter, String(starts + 1));
const end = JSON.parse(ends)[starts];
const document = { version: 'v1', kind: 'synthesis', state: 'Synthesizing', done: starts, wanted: 9, time: new Date().toISOString() };
const leave = (code, extra) => {
  fs.writeFileSync(process.env.PGGAN_TERMINATION_LOG, JSON.stringify({ ...document, ...extra }));
  process.exit(code);
};
const server = require('node:http').createServer((_, response) => response.end(JSON.stringify(document)));
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port }));
  console.log('started ' + process.env.WHO);
  if (typeof end === 'number') leave(end, end === 0 ? {} : { failure: { code: 'X', message: 'failed as told' } });
  else if (end === 'owned') leave(75, { state: 'Failed', failure: { code: 'RunOwned', message: 'process 7 writes' } });
  else if (end === 'SIGKILL') process.kill(process.pid, end);
});
process.on('SIGTERM', () => leave(75, { state: 'Stopped' }));
process.stdin.on('end', () => leave(75, { state: 'Stopped' })).resume();
`;

type Fixture = {
  readonly jobs: Jobs<string>;
  readonly wake: Wake;
  readonly folder: string;
  readonly lines: string[];
  create(ends: readonly (number | string)[], backoffLimit?: number): LocalJob<string>;
};

function fixture(t: TestContext, headway: () => number = () => 0): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-jobs-'));
  const wake = createWake();
  const lines: string[] = [];
  const jobs = createJobs<string>({
    now: () => new Date(),
    changed: () => wake.poke(),
    line: (_, text) => void lines.push(text),
    headway,
    delay: () => 0,
    waits: (ended) => lastDocument(ended)?.failure?.code === 'RunOwned',
  });
  t.after(async () => {
    const running = jobs.list().flatMap((job) => (job.running ? [job.running] : []));
    for (const process of running) process.kill();
    jobs.close();
    await Promise.all(running.map((process) => process.ended));
    rmSync(folder, { recursive: true, force: true });
  });
  const create: Fixture['create'] = (ends, backoffLimit = 3) => {
    const command = [process.execPath, '-e', PROGRAM, join(folder, 'starts'), JSON.stringify(ends)];
    const files = { log: join(folder, 'log'), terminationLog: join(folder, 'last.json') };
    jobs.create({ name: 'x', task: 'work', digest: 'd', backoffLimit, program: { command, env: { WHO: 'x' }, ...files } });
    return jobs.list().at(-1) ?? assert.fail('not created');
  };
  return { jobs, wake, folder, lines, create };
}

/** The first Job, once it is as wished. */
async function until({ jobs, wake }: Fixture, wished: (job: LocalJob<string> | undefined) => boolean): Promise<LocalJob<string>> {
  while (!wished(jobs.list()[0])) await wake.wait(undefined);
  const [job] = jobs.list();
  return job as LocalJob<string>;
}

/** Until the running process has told its port: it listens to signals by then. */
async function serving(world: Fixture): Promise<number> {
  for (;;) {
    const port = world.jobs.list()[0]?.running?.port();
    if (port !== undefined) return port;
    await world.wake.wait(0.02);
  }
}

test('a process that ends well makes its Job succeed, and its lines and last document are read', async (t) => {
  const world = fixture(t);
  world.create([0]);
  const job = await until(world, (seen) => seen?.state === 'succeeded');
  assert.equal(lastDocument(job.last)?.kind, 'synthesis');
  assert.deepEqual(world.lines, ['started x']);
  assert.match(readFileSync(join(world.folder, 'log'), 'utf8'), /started x/);
  assert.equal(observed(job).state.kind, 'succeeded');
});

test('a killed process is started again, and each kill counts as a failure', async (t) => {
  const world = fixture(t);
  world.create(['SIGKILL', 'SIGKILL', 0]);
  const job = await until(world, (seen) => seen?.state === 'succeeded');
  assert.equal(job.podsFailed, 2);
  assert.equal(readFileSync(join(world.folder, 'starts'), 'utf8'), '3');
});

test('more failures than backoffLimit fail the Job, with the words of the last process', async (t) => {
  const world = fixture(t);
  world.create([1, 1, 0], 1);
  const job = await until(world, (seen) => seen?.state === 'failed');
  assert.equal(job.podsFailed, 2);
  assert.deepEqual(observed(job).failure, { exitCode: 1, outOfMemory: false, message: 'failed as told' });
});

for (const exitCode of [2, 3, 4]) {
  test(`exit ${exitCode} fails the Job at once`, async (t) => {
    const world = fixture(t);
    world.create([exitCode, 0]);
    const job = await until(world, (seen) => seen?.state === 'failed');
    assert.equal(observed(job).failure?.exitCode, exitCode);
    assert.equal(readFileSync(join(world.folder, 'starts'), 'utf8'), '1');
  });
}

test('exit 75 is started again and counts as no failure, but as an end', async (t) => {
  const world = fixture(t);
  world.create([75, 75, 0], 0);
  const job = await until(world, (seen) => seen?.state === 'succeeded');
  assert.deepEqual([job.podsFailed, job.podsEnded], [0, 2]);
});

test('a process that finds the run still owned is started again until it is free, and none of its ends is counted', async (t) => {
  const world = fixture(t);
  world.create(['owned', 'owned', 'owned', 'owned', 0], 0);
  const job = await until(world, (seen) => seen?.state === 'succeeded');
  assert.deepEqual([job.podsFailed, job.podsEnded], [0, 0]);
  assert.equal(readFileSync(join(world.folder, 'starts'), 'utf8'), '5');
});

test('a round that throws ends the processes first, each after saving, and is thrown on', async (t) => {
  const world = fixture(t);
  const stop = { reason: undefined, onRaise: () => () => {} };
  const failure = new Error('no room');
  const round = (): Round => {
    const [job] = world.jobs.list();
    if (!job) world.create(['wait', 'wait']);
    if (job?.running?.port() !== undefined) throw failure;
    return { lookAgainSeconds: 0.02 };
  };
  await assert.rejects(drive(world.jobs, world.wake, stop, round), failure);
  assert.deepEqual(
    world.jobs.list().map(({ running, last }) => [running, last?.exitCode]),
    [[undefined, 75]],
  );
});

test('a suspended Job stops its process, and starts another when it is resumed', async (t) => {
  const world = fixture(t);
  const { uid } = world.create(['wait', 0]);
  await serving(world);
  world.jobs.suspend(uid, true);
  const stopped = await until(world, (seen) => seen?.running === undefined);
  assert.deepEqual([stopped.state, stopped.podsEnded, stopped.last?.exitCode], ['suspended', 0, 75]);
  world.jobs.suspend(uid, false);
  await until(world, (seen) => seen?.state === 'succeeded');
});

test('a deleted Job stays until its process has ended, and its name is taken until then', async (t) => {
  const world = fixture(t);
  const { uid } = world.create(['wait', 'wait']);
  await serving(world);
  world.jobs.remove(uid);
  world.create(['wait']);
  assert.deepEqual(
    world.jobs.list().map((job) => job.deleting),
    [true],
  );
  await until(world, (seen) => seen === undefined);
});

test('a closed set of Jobs asks its processes to save and starts none again', async (t) => {
  const world = fixture(t);
  world.create(['wait', 'wait']);
  await serving(world);
  world.jobs.close();
  world.jobs.close();
  const job = await until(world, (seen) => seen?.running === undefined);
  assert.equal(job.last?.exitCode, 75);
  assert.equal(readFileSync(join(world.folder, 'starts'), 'utf8'), '1');
});

test('progress is read from the port that the process names, and nothing is made up where none answers', async (t) => {
  const world = fixture(t);
  world.create(['wait']);
  const port = await serving(world);
  assert.equal((await readProgress('127.0.0.1', port))?.kind, 'synthesis');
  world.jobs.close();
  await until(world, (seen) => seen?.running === undefined);
  assert.equal(await readProgress('127.0.0.1', port), undefined);
});

test('a program that cannot be started fails its Job with the reason', async (t) => {
  const world = fixture(t);
  const files = { log: join(world.folder, 'log'), terminationLog: join(world.folder, 'last.json') };
  writeFileSync(join(world.folder, 'not-executable'), '');
  world.jobs.create({
    name: 'y',
    task: 'work',
    digest: 'd',
    backoffLimit: 0,
    program: { command: [join(world.folder, 'not-executable')], env: {}, ...files },
  });
  const job = await until(world, (seen) => seen?.state === 'failed');
  assert.match(observed(job).failure?.message ?? '', /EACCES/);
});

test('restarts without headway wait from half a second up to half a minute', () => {
  assert.deepEqual([1, 2, 3, 7, 20].map(restartDelay), [500, 1000, 2000, 30_000, 30_000]);
});
