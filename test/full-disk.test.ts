/** A run whose disk is full waits, says so, leaves nothing half-written and goes on when there is room: shown by real limits of the system. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { assertEqualLogs, assertEqualPictures, assertEqualWeights } from './harness/compare.ts';
import { lacking } from './harness/lacking.ts';
import { type Command, succeeded } from './harness/pggan.ts';
import { progressWhen, runDocumentOf, served, train } from './harness/tiny-run.ts';
import { checkpointFolders, createWorkspace, type Workspace } from './harness/tiny-training.ts';

const SPEC = { totalKimg: 2, schedule: { minibatchBase: 16, tickKimgBase: 1 }, progressDeadlineSeconds: 30 };

let workspace: Workspace;
let manifest: string;
let reference: string;
before(async () => {
  workspace = await createWorkspace(4);
  manifest = workspace.manifest('tiny', 'full', SPEC);
  reference = join(workspace.folder, 'undisturbed');
});
after(() => workspace.remove());

/** The run without trouble, made once. */
async function undisturbed(t: TestContext): Promise<string> {
  if (!existsSync(reference)) await succeeded(train(t, runDocumentOf(manifest, reference, 4)));
  return reference;
}

type Disk = { readonly run: string; fill(): void; clear(): void };

/** What holds on either kind of full disk: the trainer is at work, and `disk.run` is its folder as this process sees it. */
async function waitsAndGoesOn(trainer: Command, disk: Disk): Promise<void> {
  await progressWhen(trainer, ({ images }) => images >= 100);
  disk.fill();
  const { waiting, images } = await progressWhen(trainer, (progress) => progress.waiting !== undefined);
  assert.equal(waiting?.code, 'StoreFull');
  assert.match(waiting?.message ?? '', /cannot write .* there is no room left/);
  assert.ok(images < 2000);
  assert.ok(
    checkpointFolders(disk.run).every((folder) => folder.manifest),
    'a checkpoint is half-written',
  );
  // Between two tries nothing is there.
  while (readdirSync(join(disk.run, '.unfinished')).length > 0) await progressWhen(trainer, (progress) => progress.waiting !== undefined);
  // Asked again later, with the same reason.
  const again = await progressWhen(
    trainer,
    ({ time, waiting: still }) => still !== undefined && Date.parse(time) - Date.parse(still.since) > 2000,
  );
  assert.equal((await served(trainer, '/healthz'))?.status, 200);
  assert.equal(again.waiting?.since, waiting?.since);
  disk.clear();
  assert.equal((await progressWhen(trainer, (progress) => progress.waiting === undefined)).failure, undefined);
}

test('a file system without a free block', async (t) => {
  const whole = await undisturbed(t);
  const run = join(workspace.folder, 'small');
  mkdirSync(run);
  // The file system goes with its last process: what it holds is copied out at the end.
  const script = 'mount -t tmpfs -o size=8m none "$0" && "$@"; code=$?; mkdir -p "$0-copy"; cp -R "$0/." "$0-copy"; exit $code';
  const mount = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, run];
  const tried = spawnSync(mount[0] ?? '', [...mount.slice(1), 'true'], { encoding: 'utf8' });
  if (tried.status !== 0) return lacking(t, `this machine lets nobody mount a small file system: ${tried.stderr.trim()}`);
  const trainer = train(t, runDocumentOf(manifest, run, 4), { within: mount });
  await progressWhen(trainer, () => true);
  const seen = `/proc/${trainer.pid}/root${run}`;
  const ballast = join(seen, 'ballast');
  await waitsAndGoesOn(trainer, { run: seen, fill: () => fillUp(ballast), clear: () => rmSync(ballast) });
  await succeeded(trainer);
  assertEqualRuns(`${run}-copy`, whole);
});

test('a limit on the size of files', async (t) => {
  const whole = await undisturbed(t);
  const run = join(workspace.folder, 'limited');
  const trainer = train(t, runDocumentOf(manifest, run, 4));
  const limit = (bytes: string): void => void execFileSync('prlimit', [`--pid=${trainer.pid}`, `--fsize=${bytes}:`]);
  await waitsAndGoesOn(trainer, { run, fill: () => limit('4096'), clear: () => limit('unlimited') });
  await succeeded(trainer);
  assertEqualRuns(run, whole);
});

function assertEqualRuns(run: string, whole: string): void {
  assertEqualWeights(run, whole);
  assertEqualLogs(run, whole);
  assertEqualPictures(run, whole);
}

function fillUp(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  } finally {
    closeSync(file);
  }
}
