/** The local driver from the outside: real processes, the real trainer, kills and signals. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { parseProgress } from '../../crds/progress.ts';
import { readState } from './state.ts';

const BIN = resolve(import.meta.dirname, '../../bin/pggan.mjs');
const MANIFEST = `
apiVersion: pggan.dev/v1alpha1
kind: PGGANTraining
metadata: {name: tiny, namespace: default}
spec:
  dataset: {uri: "file:///nowhere"}
  output: {uri: "s3://pggan/runs"}
  store: {endpoint: "http://localhost:9000"}
  resolution: 8
  totalKimg: TOTAL
  schedule: {trainKimg: 1, transitionKimg: 1, minibatchBase: 8, tickKimgBase: 1}
  network: {channels: 1, fmapBase: 64, fmapMax: 8, latentSize: 8}
  threads: 1
  checkpoints: {everyKimg: 1, everySeconds: 60, keepLast: 2}
`;
const SYNTHESIS = `---
apiVersion: pggan.dev/v1alpha1
kind: SynthesisJob
metadata: {name: four, namespace: default}
spec: {trainingRef: {name: tiny}, count: 4, output: {uri: "file://OUTPUT"}, threads: 1}
`;

type Command = {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly errors: string[];
  said(pattern: RegExp): Promise<string>;
  readonly code: Promise<number | null>;
};

/** Starts a command; `said` resolves with the first line, past or future, that matches, and rejects when the command ends without it. */
function pggan(t: TestContext, folder: string, ...args: readonly string[]): Command {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const errors: string[] = [];
  const waiting: { readonly pattern: RegExp; readonly done: (line: string) => void; readonly fail: (error: Error) => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const { pattern, done } of waiting) if (pattern.test(line)) done(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => void errors.push(line));
  const code = new Promise<number | null>((done) => child.once('close', done));
  void code.then(() => {
    for (const { pattern, fail } of waiting) fail(new Error(`ended without ${pattern}: ${[...lines, ...errors].join('\n')}`));
  });
  t.after(() => child.kill('SIGKILL'));
  const said = (pattern: RegExp): Promise<string> =>
    new Promise((done, fail) => {
      const known = lines.find((line) => pattern.test(line));
      if (known === undefined) waiting.push({ pattern, done, fail });
      else done(known);
    });
  return { child, lines, errors, said, code };
}

function workspace(totalKimg: number): { readonly folder: string; readonly run: string } {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-driver-'));
  const text = `${MANIFEST}${SYNTHESIS}`.replace('TOTAL', String(totalKimg)).replace('OUTPUT', join(folder, 'pictures'));
  writeFileSync(join(folder, 'both.yaml'), text);
  writeFileSync(join(folder, 'training.yaml'), MANIFEST.replace('TOTAL', String(totalKimg)));
  return { folder, run: join(folder, 'runs', 'default', 'tiny') };
}

/** The processes whose parent is `pid`. */
function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

/** The trainer that a started command runs at the moment: child of the driver, which is the child of bin/pggan.mjs. */
function trainerOf({ child }: Command): number {
  const [driver = assert.fail('no driver')] = childrenOf(child.pid ?? assert.fail('no process'));
  return childrenOf(driver)[0] ?? assert.fail('no trainer');
}

/** Resolves once a process that is no child of ours is gone: the pipe that it holds is closed then. */
async function gone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await new Promise((done) => setTimeout(done, 20));
}

test('a manifest with a training and a synthesis runs both to the end and says where the pictures are', async (t) => {
  const { folder, run } = workspace(3);
  const command = pggan(t, folder, 'start', 'both.yaml', '--phantoms');
  assert.equal(await command.code, 0, command.errors.join('\n'));
  const text = command.lines.join('\n');
  assert.match(text, /phantom/);
  assert.match(text, /about \d+ MB of memory, \d+ .B of disk and, very roughly, \d+ s to \d+/);
  assert.match(text, /4x4 is complete at 1\.0 kimg; newest picture: runs\/default\/tiny\/samples\//);
  assert.match(text, /kimg · [\d.]+ passes · .*loss G/);
  assert.match(text, /Mean of 1000 fakes against the mean of 2000 reals: correlation -?\d/);
  assert.match(text, /npx pggan synthesize runs\/default\/tiny/);
  const pictures = command.lines.filter((line) => /^ {2}runs\/.*\.png$/.test(line)).map((line) => join(folder, line.trim()));
  assert(pictures.length >= 2 && pictures.every((picture) => existsSync(picture)));
  assert.equal(readState(join(folder, 'pictures/default/four'))?.status?.progressPercent, 100);

  const again = pggan(t, folder, 'start', 'training.yaml', '--phantoms');
  assert.equal(await again.code, 0);
  assert(!again.lines.some((line) => line.startsWith('Drawing')), 'the dataset was made again');
  assert(!again.lines.some((line) => line.startsWith('4x4')), 'a finished run was trained again');
  const status = pggan(t, folder, 'status', run, '--json');
  assert.equal(await status.code, 0);
  assert.equal((JSON.parse(status.lines.join('\n')) as { status: { progressPercent: number } }).status.progressPercent, 100);
});

test('a killed trainer is started again; Ctrl-C saves and says how to go on; the next start goes on from there', async (t) => {
  const { folder, run } = workspace(60);
  const command = pggan(t, folder, 'start', 'training.yaml', '--phantoms');
  await command.said(/^8x8 · /);
  process.kill(trainerOf(command), 'SIGKILL');
  await command.said(/the trainer ended unexpectedly \(1 of at most 10 times\)/);
  const second = pggan(t, folder, 'start', 'training.yaml', '--phantoms');
  assert.equal(await second.code, 75, 'a second driver was not refused');
  assert.match(second.errors.join('\n'), /is driven by process \d+ already/);
  const status = pggan(t, folder, 'status', run);
  assert.equal(await status.code, 0);
  assert.match(status.lines[0] ?? '', /default\/tiny: .*driven by process/);

  // A terminal's Ctrl-C reaches every process of the group; here the command and its trainer get it, more than once.
  command.child.kill('SIGINT');
  command.child.kill('SIGINT');
  assert.equal(await command.code, 130);
  assert.equal(command.lines.filter((line) => line.startsWith('Stopping')).length, 1);
  assert.match(command.lines.at(-1) ?? '', /Stopped; nothing is lost\. The same command goes on/);
  const saved = Math.max(...readdirSync(join(run, 'checkpoints')).map(Number));
  assert(saved > 0);

  const resumed = pggan(t, folder, 'start', 'training.yaml', '--phantoms');
  const line = await resumed.said(/^8x8 · [\d.]+\/60 kimg/);
  assert(Number(/· ([\d.]+)\//.exec(line)?.[1]) * 1000 >= saved - 100, line);
  resumed.child.kill('SIGTERM');
  assert.equal(await resumed.code, 75);
});

test('kill -9 of the command or of the driver leaves no process behind, and what the trainer had done is saved', async (t) => {
  const { folder, run } = workspace(200);
  for (const victim of ['command', 'driver'] as const) {
    const command = pggan(t, folder, 'start', 'training.yaml', '--phantoms');
    await command.said(/^8x8 · /);
    const trainer = trainerOf(command);
    const [driver = assert.fail('no driver')] = childrenOf(command.child.pid ?? assert.fail('no process'));
    process.kill(victim === 'driver' ? driver : (command.child.pid ?? 0), 'SIGKILL');
    await Promise.all([gone(trainer), gone(driver)]);
    const last = parseProgress(readFileSync(join(run, '.pggan', 'tiny-8.json'), 'utf8'));
    assert.equal(last?.state, 'Stopped');
    assert(last?.kind === 'training' && last.checkpoint?.images === last.images, 'it ended without saving');
  }
});

test('a bad command line and a bad manifest end with exit 2 and say what is wrong', async (t) => {
  const { folder } = workspace(2);
  const manifest = pggan(t, folder, 'start', 'training.yaml', '--phantoms');
  assert.equal(await manifest.code, 2);
  assert.match(manifest.errors.join('\n'), /training\.yaml:\d+: spec\.totalKimg: the run ends at 2 kimg/);
  const option = pggan(t, folder, 'start', '--resolution', 'big');
  assert.equal(await option.code, 2);
  assert.match(option.errors.join('\n'), /whole number/);
});
