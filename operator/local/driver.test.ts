/** The local driver from the outside: real processes, the real trainer, kills and signals. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { parseProgress } from '../../crds/progress.ts';
import { type Command, pggan, succeeded } from '../../test/harness/pggan.ts';
import { driverOf, ended, freeze, thaw, trainerOf } from '../../test/harness/processes.ts';
import { newestCheckpoint } from '../../test/harness/tiny-training.ts';
import { fileStore } from '../../trainer/checkpoint/file-store.ts';
import { acquireRun, systemClock } from '../../trainer/checkpoint/owner.ts';
import { createPhantoms } from '../../trainer/data/phantoms.ts';
import { temporaryFolder } from '../../trainer/data/test-folders.ts';
import { readState } from './state.ts';

const TRAINING = `
apiVersion: pggan.dev/v1alpha1
kind: PGGANTraining
metadata: {name: tiny, namespace: default}
spec:
  dataset: {uri: "DATASET"}
  output: {uri: "OUTPUT"}
  store: {endpoint: "http://127.0.0.1:1"}
  resolution: 8
  totalKimg: TOTAL
  schedule: {trainKimg: 1, transitionKimg: 1, minibatchBase: 8, tickKimgBase: 1}
  network: {channels: 1, fmapBase: 64, fmapMax: 8, latentSize: 8}
  threads: 1
  checkpoints: {everyKimg: 1, everySeconds: 60, keepLast: 2}
`;
const SYNTHESIS = `
apiVersion: pggan.dev/v1alpha1
kind: SynthesisJob
metadata: {name: NAME, namespace: default}
spec: {trainingRef: {name: tiny}, count: 4, output: {uri: "OUTPUT"}, threads: 1}
`;

type Workspace = {
  readonly folder: string;
  /** The run of TRAINING below the folder `runs`. */
  readonly run: string;
  /** Starts a command in the folder. */
  readonly pggan: (...args: readonly string[]) => Command;
  training(totalKimg: number, output?: string): string;
  synthesis(name: string, output?: string): string;
  /** Writes a manifest of these objects; returns its name. */
  manifest(...objects: readonly string[]): string;
};

async function workspace(t: TestContext): Promise<Workspace> {
  const folder = await temporaryFolder(t);
  const uriOf = (output: string): string => (output.includes('://') ? output : `file://${join(folder, output)}`);
  let manifests = 0;
  return {
    folder,
    run: join(folder, 'runs/default/tiny'),
    // Keys of a store that no test reaches: without any, none is asked.
    pggan: (...args) => pggan(t, args, { cwd: folder, env: { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' } }),
    training: (totalKimg, output = 'runs') =>
      TRAINING.replace('TOTAL', String(totalKimg))
        .replace('OUTPUT', uriOf(output))
        .replace('DATASET', `file://${join(shared, 'phantoms')}`),
    synthesis: (name, output = 'runs') => SYNTHESIS.replace('NAME', name).replace('OUTPUT', uriOf(output)),
    manifest(...objects) {
      manifests += 1;
      writeFileSync(join(folder, `${manifests}.yaml`), objects.join('---'));
      return `${manifests}.yaml`;
    },
  };
}

/** Phantoms for all tests that do not draw them themselves. */
let shared: string;
before(async () => {
  shared = mkdtempSync(join(tmpdir(), 'pggan-driver-'));
  await createPhantoms({ folder: join(shared, 'phantoms'), count: 200, resolution: 8, seed: 7 });
});
after(() => rmSync(shared, { recursive: true, force: true }));

const codeOf = async (command: Command): Promise<number | null> => (await command.ended).code;
const driver = (command: Command): number => driverOf(command) ?? assert.fail('no driver runs');
const trainer = (command: Command): number => trainerOf(command)?.pid ?? assert.fail('no trainer runs');

suite('pggan start', { concurrency: false }, () => {
  test('runs a training and the synthesis that waits for it, in that order, each where it says, and tells where the pictures are', async (t) => {
    const { folder, pggan, ...world } = await workspace(t);
    const both = world.manifest(world.synthesis('four', 'pictures'), world.training(3, 'elsewhere'));
    const command = pggan('start', both, '--phantoms');
    await succeeded(command);
    const text = command.lines.join('\n');
    assert.match(text, /phantom/);
    assert.match(text, /takes +about \d+ .B of memory and \d+ .B of disk\n +time +very roughly \d+ s to \d+/);
    assert.match(text, /4x4 is complete at 1\.0 kimg: elsewhere\/default\/tiny\/samples\//);
    assert.match(text, /kimg · [\d.]+ passes · .*loss G/);
    assert.match(text, /Mean of 1000 fakes against the mean of 2000 reals: correlation -?\d/);
    assert.match(text, /npx pggan synthesize elsewhere\/default\/tiny/);
    const pictures = command.lines.filter((line) => /^ {2}elsewhere\/.*\.png$/.test(line)).map((line) => join(folder, line.trim()));
    assert(pictures.length >= 2 && pictures.every((picture) => existsSync(picture)));
    assert.equal(readState(join(folder, 'pictures/default/four'))?.status?.progressPercent, 100);

    const again = pggan('start', world.manifest(world.training(3, 'elsewhere')), '--phantoms');
    await succeeded(again);
    assert(!again.lines.some((line) => line.startsWith('Drawing')), 'the dataset was made again');
    assert(!again.lines.some((line) => line.startsWith('4x4')), 'a finished run was trained again');
    const status = pggan('status', 'elsewhere/default/tiny', '--json');
    await succeeded(status);
    assert.equal((JSON.parse(status.lines.join('\n')) as { status: { progressPercent: number } }).status.progressPercent, 100);

    const shared = pggan('start', world.manifest(world.synthesis('tiny', 'elsewhere')));
    assert.equal(await codeOf(shared), 2);
    assert.match(shared.errors.join('\n'), /FingerprintMismatch: .*belongs to PGGANTraining default\/tiny already/);
    assert.equal(readState(join(folder, 'elsewhere/default/tiny'))?.kind, 'PGGANTraining');
  });

  test('starts a killed trainer again; Ctrl-C saves and says how to go on; the next start goes on from there', async (t) => {
    const { run, pggan, ...world } = await workspace(t);
    const manifest = world.manifest(world.training(60, 's3://pggan/runs'));
    const start = ['start', manifest, '--output', 'runs'];
    const command = pggan(...start);
    assert.match(await command.said(/is kept in/), /^tiny is kept in runs\/default\/tiny, not in s3:\/\/pggan\/runs: --output is given/);
    await command.said(/^8x8 · /);
    process.kill(trainer(command), 'SIGKILL');
    await command.said(/the trainer ended unexpectedly \(1 of at most 10 times\)/);
    const second = pggan(...start);
    assert.equal(await codeOf(second), 75, 'a second driver was not refused');
    assert.match(second.errors.join('\n'), /RunOwned: .* is driven by process \d+ already/);
    const status = pggan('status', run);
    await succeeded(status);
    assert.match(status.lines[0] ?? '', /default\/tiny: .*driven by process/);

    // A terminal's Ctrl-C reaches every process of the group; here the command gets it, more than once.
    process.kill(command.pid, 'SIGINT');
    process.kill(command.pid, 'SIGINT');
    assert.equal(await codeOf(command), 130);
    assert.equal(command.lines.filter((line) => line.startsWith('Stopping')).length, 1);
    assert.match(command.lines.at(-2) ?? '', /^Stopped; nothing is lost\. The same command goes on/);
    const saved = newestCheckpoint(run)?.images ?? 0;
    assert(saved > 0);

    const unfinished = pggan('start', world.manifest(world.synthesis('early')));
    assert.equal(await codeOf(unfinished), 2, 'images were drawn before the training had succeeded');
    assert.match(unfinished.errors.join('\n'), /tiny has not succeeded yet, and nothing trains it.*spec\.waitForTraining/);
    await succeeded(pggan('start', world.manifest(world.synthesis('early').replace('count', 'waitForTraining: false, count'))));

    const resumed = pggan(...start);
    const line = await resumed.said(/^8x8 · [\d.]+\/60 kimg/);
    assert(Number(/· ([\d.]+)\//.exec(line)?.[1]) * 1000 >= saved - 100, line);
    process.kill(resumed.pid, 'SIGTERM');
    assert.equal(await codeOf(resumed), 75);
  });

  test('leaves no process behind when the command or the driver is killed; what the trainer had done is saved', async (t) => {
    const { run, pggan, ...world } = await workspace(t);
    const manifest = world.manifest(world.training(200));
    for (const victim of ['command', 'driver'] as const) {
      const command = pggan('start', manifest);
      await command.said(/^8x8 · /);
      const pids = [trainer(command), driver(command)] as const;
      process.kill(victim === 'driver' ? pids[1] : command.pid, 'SIGKILL');
      await Promise.all(pids.map(ended));
      const last = parseProgress(readFileSync(join(run, '.pggan', 'tiny-8.json'), 'utf8'));
      assert.equal(last?.state, 'Stopped');
      assert(last?.kind === 'training' && last.checkpoint?.images === last.images, 'it ended without saving');
    }
  });

  test('waits for the trainer of a killed driver to save, says so, and goes on from what it saved', async (t) => {
    const { run, pggan, ...world } = await workspace(t);
    const manifest = world.manifest(world.training(60));
    const first = pggan('start', manifest);
    await first.said(/^8x8 · /);
    const orphan = trainer(first);
    assert(await freeze(orphan));
    process.kill(driver(first), 'SIGKILL');
    await first.ended;
    const second = pggan('start', manifest);
    assert.match(await second.said(/^Waiting/), new RegExp(`Waiting until it is free: .* is being written by process ${orphan} `));
    // More refused starts than would be called no progress.
    const refused = (): number => readFileSync(join(run, 'trainer.log'), 'utf8').split('RunOwned').length - 1;
    while (refused() < 4) await new Promise((done) => setTimeout(done, 50));
    thaw(orphan);
    await second.said(/^8x8 · /);
    process.kill(second.pid, 'SIGTERM');
    assert.equal(await codeOf(second), 75);
    assert.equal(second.lines.filter((line) => line.startsWith('Waiting')).length, 1, 'said more than once');
  });

  test('stops the trainer and says why, with its code, where it cannot write what it knows', async (t) => {
    const { run, pggan, ...world } = await workspace(t);
    const command = pggan('start', world.manifest(world.training(200)));
    await command.said(/^8x8 · /);
    const pid = trainer(command);
    rmSync(join(run, 'pggan-status.json'));
    mkdirSync(join(run, 'pggan-status.json', 'in the way'), { recursive: true });
    assert.equal(await codeOf(command), 4);
    assert.match(command.errors.join('\n'), /^error: StoreUnavailable: .*pggan-status\.json cannot be written: /);
    assert(!existsSync(`/proc/${pid}`), 'its trainer trains on');
    const last = parseProgress(readFileSync(join(run, '.pggan', 'tiny-8.json'), 'utf8'));
    assert.equal(last?.state, 'Stopped');
  });

  test('saves and ends quietly when nobody reads its output any more', async (t) => {
    const { run, pggan, ...world } = await workspace(t);
    const command = pggan('start', world.manifest(world.training(200)));
    await command.said(/^8x8 · /);
    command.closeOutput();
    assert.equal(await codeOf(command), 141);
    assert.deepEqual(command.errors, []);
    const last = parseProgress(readFileSync(join(run, '.pggan', 'tiny-8.json'), 'utf8'));
    assert.equal(last?.state, 'Stopped');
    assert(last?.kind === 'training' && last.checkpoint?.images === last.images, 'it ended without saving');
  });

  test('stops at once while it draws a dataset, and leaves nothing half-made', async (t) => {
    const { folder, pggan, ...world } = await workspace(t);
    const large = world.training(200).replace('resolution: 8', 'resolution: 256').replace('fmapBase: 64', 'fmapBase: 256');
    const command = pggan('start', world.manifest(large), '--phantoms');
    await command.said(/^Drawing 2000/);
    await command.said(/phantoms of 256x256/);
    process.kill(command.pid, 'SIGINT');
    assert.equal(await codeOf(command), 130);
    assert.match(command.lines.at(-1) ?? '', /^Stopped; nothing of the unfinished dataset is kept/);
    assert.deepEqual(readdirSync(join(folder, 'runs/datasets')), []);
    assert(!existsSync(join(folder, 'runs/default')), 'a run folder without a run was left behind');
  });

  test('tells of a store that cannot be reached and tries again until it is stopped; its notes are kept on this machine', async (t) => {
    const { folder, pggan, ...world } = await workspace(t);
    const command = pggan('start', world.manifest(world.training(3, 's3://pggan/runs')));
    assert.match(await command.said(/run folder/), /run folder +s3:\/\/pggan\/runs\/default\/tiny$/);
    await command.said(/trying again in \d+ s/);
    process.kill(command.pid, 'SIGINT');
    assert.equal(await codeOf(command), 130);
    const status = pggan('status', 'runs/default/tiny');
    await succeeded(status);
    assert.match(status.lines.join('\n'), /^Run: s3:\/\/pggan\/runs\/default\/tiny$/m);
    assert.deepEqual(readdirSync(join(folder, 'runs/default')), ['tiny']);
  });

  test('refuses two objects that would be written to one folder, before it starts either', async (t) => {
    const { folder, pggan, ...world } = await workspace(t);
    for (const output of ['runs', 's3://pggan/runs']) {
      const command = pggan('start', world.manifest(world.training(3, output), world.synthesis('tiny', output)));
      assert.equal(await codeOf(command), 2);
      assert.match(
        command.errors.join('\n'),
        /ManifestInvalid: PGGANTraining default\/tiny and SynthesisJob default\/tiny would both be written to .*runs\/default\/tiny: /,
      );
      assert(!existsSync(join(folder, 'runs')));
    }
  });

  test('is refused inside the run folder of another training, naming both, and leaves nothing there', async (t) => {
    const { folder, pggan, ...world } = await workspace(t);
    const outer = join(folder, 'runs/default/outer');
    const owner = { cluster: 'local', namespace: 'default', name: 'outer', uid: 'u' };
    await (await acquireRun(fileStore(outer), owner, systemClock)).release();
    const command = pggan('start', world.manifest(world.training(3, 'runs/default/outer')));
    assert.equal(await codeOf(command), 2);
    const said =
      /RunNested: .*outer\/default\/tiny lies inside .*runs\/default\/outer, the run folder of training default\/outer: set spec\.output\.uri/;
    assert.match(command.errors.join('\n'), said);
    assert(!existsSync(join(outer, 'default/tiny/owner.json')));
  });

  test('with a bad command line or a bad manifest ends with exit 2 and says what is wrong', async (t) => {
    const { pggan, ...world } = await workspace(t);
    const name = world.manifest(world.training(2));
    const manifest = pggan('start', name);
    assert.equal(await codeOf(manifest), 2);
    assert.match(manifest.errors.join('\n'), /ManifestInvalid: 1\.yaml:\d+: spec\.totalKimg: the run ends at 2 kimg/);
    const option = pggan('start', '--resolution', 'big');
    assert.equal(await codeOf(option), 2);
    assert.match(option.errors.join('\n'), /whole number/);
    const impossible = pggan('start', name, '--resolution', '33');
    assert.equal(await codeOf(impossible), 2);
    assert.match(impossible.errors.join('\n'), /ManifestInvalid: --resolution 33: /);
  });
});

test('one help lists the commands of the driver and all of the trainer', async (t) => {
  const { pggan } = await workspace(t);
  const help = pggan('--help');
  await succeeded(help);
  const listed = help.lines.flatMap((line) => /^ {2}([a-z]+) /.exec(line)?.[1] ?? []);
  for (const command of ['start', 'synthesize', 'status', 'evaluate', 'dataset'])
    assert.equal(listed.filter((name) => name === command).length, 1, `${command} in ${listed.join(', ')}`);
  const explained = pggan('help', 'dataset');
  await succeeded(explained);
  assert.match(explained.lines.join('\n'), /create-from-images/);
});
