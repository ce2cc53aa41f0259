/** Runs from the outside, from the manifest to the last file: complete, stopped, watched, refused, extended; in colour and with labels. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import sharp from 'sharp';
import type { TrainingState } from '../operator/local/state.ts';
import { parseLabels } from '../trainer/data/npy.ts';
import { testPng } from '../trainer/data/test-pictures.ts';
import { writeDataset } from '../trainer/data/write-dataset.ts';
import { assertEqualFiles, assertEqualLogs, assertEqualPictures, assertEqualWeights } from './harness/compare.ts';
import { killsOf } from './harness/kills.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { driverOf, freeze, thaw, trainerOf } from './harness/processes.ts';
import {
  checkpointFolders,
  createWorkspace,
  newestCheckpoint,
  PHANTOMS,
  readJson,
  stateOf,
  uriOf,
  type Workspace,
} from './harness/tiny-training.ts';

/** Of every checkpoint, but for the number of the process that wrote them. */
const CHECKPOINT_FILES = [
  'adam-discriminator.safetensors',
  'adam-generator.safetensors',
  'checkpoint.json',
  'discriminator.safetensors',
  'generator-ema.safetensors',
  'generator.safetensors',
  'state.json',
];
/** One phase at full size, one kimg long. */
const ONE_PHASE = { totalKimg: 1, schedule: { initialResolution: 8, minibatchBase: 16, tickKimgBase: 1 } };

type Status = TrainingState & { readonly driver: { readonly pid: number } | null };

suite('a run', { concurrency: false }, () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await createWorkspace(8);
  });
  after(() => workspace.remove());

  test('leaves behind every file that its folder promises, computed by the native backend', async (t) => {
    const run = workspace.runFolder('tiny', 'whole');
    await succeeded(pggan(t, ['start', workspace.manifest('tiny', 'whole')]));
    const folders = checkpointFolders(run);
    assert.deepEqual(
      folders.map(({ images, manifest }) => [images, manifest?.phaseEnd]),
      [
        [1024, 4],
        [2032, null],
        [3040, null],
        [4032, 8],
      ],
      'the phase ends are kept, and the last two besides',
    );
    for (const folder of folders) {
      assert.deepEqual(folder.files.map((file) => file.replace(/-\d{4}\./, '.')).sort(), CHECKPOINT_FILES);
      assert.equal(stateOf(folder).environment['kind'], 'native');
      assert.equal(stateOf(folder).environment['mode'], 'graph');
    }
    assert.deepEqual(readdirSync(join(run, 'samples')).sort(), [
      ...[0, 1, 2, 3, 4].map((kimg) => `fakes00000${kimg}.png`),
      'growth.png',
      'losses.png',
      'reals.png',
    ]);
    const events = readdirSync(run).flatMap((name) => /^events\.out\.tfevents\.\d{10}\.attempt-(\d)$/.exec(name)?.[1] ?? []);
    assert.deepEqual([...new Set(events)], ['1', '2'], 'each phase’s process reports to TensorBoard in files of its own');
    for (const name of ['log.txt', 'metrics.jsonl', 'run.json', 'owner.json', 'trainer.log', 'snapshots/network-final.safetensors'])
      assert(statSync(join(run, name)).size > 0, name);
    const record = readJson(join(run, 'run.json')) as { readonly data: unknown; readonly fingerprint: string };
    assert.deepEqual(record.data, { label: 'phantom', images: PHANTOMS, name: 'phantoms' });
    assert.match(record.fingerprint, /^[0-9a-f]{64}$/);
    const { holder } = readJson(join(run, 'owner.json')) as { readonly holder: unknown };
    assert.equal(holder, null, 'the run was not given back');
  });

  test('stopped by Ctrl-C saves and says how to go on; going on ends with the bits of a run that was never stopped', async (t) => {
    const manifest = workspace.manifest('tiny', 'stopped');
    const run = workspace.runFolder('tiny', 'stopped');
    const command = pggan(t, ['start', manifest]);
    await killsOf(command, run).trainedOn(1500);
    const driver = driverOf(command) ?? assert.fail('no driver runs');
    const trainer = trainerOf(command) ?? assert.fail('no trainer runs');
    // Everything stands still, so that what is read can be held against what is there.
    assert((await freeze(trainer.pid)) && (await freeze(driver)));

    const before = filesOf(run);
    const status = pggan(t, ['status', run]);
    await succeeded(status);
    assert.match(status.lines[0] ?? '', new RegExp(`^PGGANTraining default/tiny: .*driven by process ${driver},`));
    const during = await statusOf(t, run);
    assert.equal(during.driver?.pid, driver);
    assert.equal(during.status?.phases.find((phase) => phase.resolution === 4)?.state, 'Complete');
    assert.equal(during.status?.phases.find((phase) => phase.resolution === 8)?.state, 'Running');
    const shown = during.progress?.images ?? 0;
    assert(shown >= 1024 && (during.status?.progressPercent ?? 100) < 100);
    assert.equal(during.status?.checkpoint?.images, newestCheckpoint(run)?.images);
    assert.deepEqual(filesOf(run), before, 'looking has changed the run folder');

    const second = pggan(t, ['start', manifest]);
    assert.equal((await second.ended).code, 75, 'a second driver was not refused');
    assert.match(second.errors.join('\n'), new RegExp(`is driven by process ${driver} already`));

    command.signalGroup('SIGINT');
    command.signalGroup('SIGINT');
    thaw(driver);
    thaw(trainer.pid);
    assert.equal((await command.ended).code, 130);
    assert.equal(command.lines.filter((line) => line.startsWith('Stopping')).length, 1);
    assert.match(command.lines.at(-2) ?? '', /nothing is lost\. The same command goes on/);
    const saved = newestCheckpoint(run)?.images ?? 0;
    assert(saved >= shown && saved < 4000, `${saved} images were saved after ${shown} had been shown`);
    const stopped = await statusOf(t, run);
    assert.equal(stopped.driver, null);
    assert.equal(stopped.progress?.images, saved);
    assert.equal(stopped.status?.checkpoint?.images, saved);
    const files = Object.values(newestCheckpoint(run)?.manifest.files ?? {});
    assert.equal(
      stopped.status?.checkpoint?.bytes,
      files.reduce((sum, { size }) => sum + size, 0),
    );
    const took = stopped.status?.checkpointSeconds ?? assert.fail('nobody knows how long a checkpoint takes');
    assert(took > 0 && took < 60, `${took} s`);

    const resumed = pggan(t, ['start', manifest]);
    await succeeded(resumed);
    assert.match(readFileSync(join(run, 'trainer.log'), 'utf8'), new RegExp(`resuming after .*/${String(saved).padStart(12, '0')}$`, 'm'));
    const reference = workspace.runFolder('tiny', 'whole');
    assertEqualWeights(run, reference);
    assertEqualLogs(run, reference);
    assertEqualPictures(run, reference);
    const finished = await statusOf(t, run);
    assert.equal(finished.status?.progressPercent, 100);
    assert(finished.status?.phases.every((phase) => phase.state === 'Complete'));
    assert(finished.status?.conditions.some(({ type, status }) => type === 'Succeeded' && status === 'True'));
  });

  test('of another seed is refused with the field that differs, and the folder stays as it is', async (t) => {
    const run = workspace.runFolder('tiny', 'whole');
    const before = newestCheckpoint(run)?.manifest;
    const owner = readFileSync(join(run, 'owner.json'), 'utf8');
    const told = await statusOf(t, run);
    const refused = pggan(t, ['start', workspace.manifest('tiny', 'whole', { seed: 5 })]);
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.errors.join('\n'), /holds a(nother)? run.*seed: 1000 in the folder, 5 wanted/);
    assert.deepEqual(newestCheckpoint(run)?.manifest, before);
    assert.equal(readFileSync(join(run, 'owner.json'), 'utf8'), owner, 'the refused claim has become the owner');
    const { options } = readJson(join(run, 'run.json')) as { readonly options: { readonly seed: number } };
    assert.equal(options.seed, 1000);
    assert.deepEqual(await statusOf(t, run), told, 'the refused start speaks for the run');
  });

  test('whose totalKimg is raised trains on, to the weights of a run that had it from the start', async (t) => {
    const longer = { totalKimg: 5 };
    await succeeded(pggan(t, ['start', workspace.manifest('tiny', 'longer', longer)]));
    // The finished run of the first test.
    const extended = pggan(t, ['start', workspace.manifest('tiny', 'whole', longer)]);
    await succeeded(extended);
    const [run, reference] = [workspace.runFolder('tiny', 'whole'), workspace.runFolder('tiny', 'longer')];
    assert.equal(newestCheckpoint(run)?.images, 5056);
    assertEqualWeights(run, reference);
    assertEqualFiles(join(run, 'samples/fakes000005.png'), join(reference, 'samples/fakes000005.png'));
    const again = pggan(t, ['start', workspace.manifest('tiny', 'whole', longer)]);
    await succeeded(again);
    assert(!again.lines.some((line) => line.startsWith('8x8:')), 'a finished run was trained again');
  });

  test('in microbatches goes on after a kill to the same bits; they can be asked for in the middle of a run, which says so', async (t) => {
    const phases = [{ resolution: 8, microbatch: 8 }];
    const spec = { ...ONE_PHASE, totalKimg: 3, phases };
    await succeeded(pggan(t, ['start', workspace.manifest('parts', 'parts', spec)]));
    const run = workspace.runFolder('parts', 'parts');
    const last = newestCheckpoint(run) ?? assert.fail('no checkpoint');
    assert.equal(stateOf(last).environment['microbatch'], 8);
    const killed = workspace.runFolder('parts', 'parts-killed');
    const command = pggan(t, ['start', workspace.manifest('parts', 'parts-killed', spec)]);
    await killsOf(command, killed).killWhen(({ images: saved }) => saved > 0);
    await succeeded(command);
    assertEqualWeights(killed, run);
    assert.doesNotMatch(readFileSync(join(killed, 'trainer.log'), 'utf8'), /microbatches/);

    await succeeded(pggan(t, ['start', workspace.manifest('parts', 'parts-late', ONE_PHASE)]));
    await succeeded(pggan(t, ['start', workspace.manifest('parts', 'parts-late', { ...spec, totalKimg: 2 })]));
    const late = workspace.runFolder('parts', 'parts-late');
    assert.match(readFileSync(join(late, 'trainer.log'), 'utf8'), /computed in microbatches of 16, this process uses 8; the run goes on/);
    assert.equal(newestCheckpoint(late)?.images, 2048);
  });

  test('keeps the checkpoints at which a metric was lowest, besides the newest ones and the ends of phases', async (t) => {
    const metrics = { names: ['moments'], images: PHANTOMS, everyTicks: 1 };
    // The correlation rises as it trains: the lowest are the oldest, which nothing else would keep.
    const checkpoints = { everyKimg: 1, everySeconds: 3600, keepLast: 1, keepBest: { metric: 'mean_corr', count: 2 } };
    await succeeded(pggan(t, ['start', workspace.manifest('best', 'best', { ...ONE_PHASE, totalKimg: 6, metrics, checkpoints })]));
    const run = workspace.runFolder('best', 'best');
    const ticks = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as MeasuredTick);
    const lowest = ticks.toSorted((a, b) => (a.mean_corr ?? Number.NaN) - (b.mean_corr ?? Number.NaN)).slice(0, 2);
    assert.ok(ticks.length >= 6 && lowest.every(({ images }) => images < 4000), 'the lowest are old ones');
    const kept = new Set([...lowest, ...ticks.slice(-2)].map(({ images }) => images));
    assert.deepEqual(
      checkpointFolders(run).map(({ images }) => images),
      [...kept].sort((a, b) => a - b),
    );
  });

  test('measures its averaged generator at ticks: the figures of evaluate, in every report, the same after a kill, and no weight changes', async (t) => {
    const spec = { ...ONE_PHASE, totalKimg: 3 };
    const metrics = { names: ['moments'], images: PHANTOMS, everyTicks: 2 };
    await succeeded(pggan(t, ['start', workspace.manifest('measured', 'unmeasured', spec)]));
    await succeeded(pggan(t, ['start', workspace.manifest('measured', 'measured', { ...spec, metrics })]));
    const run = workspace.runFolder('measured', 'measured');
    assertEqualWeights(run, workspace.runFolder('measured', 'unmeasured'));
    const ticks = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as MeasuredTick);
    assert.deepEqual(
      ticks.map(({ tick, mean_corr: measured }) => [tick, measured !== undefined]),
      [
        [1, false],
        [2, true],
        [3, true],
      ],
      'every second tick, and the last',
    );
    const atEnd = newestCheckpoint(run)?.manifest.metrics ?? assert.fail('the last checkpoint holds no figures');
    assert.equal(atEnd['mean_corr'], ticks.at(-1)?.mean_corr);
    assert.equal(
      checkpointFolders(run).find(({ images }) => images === ticks[1]?.images)?.manifest?.metrics?.['mean_corr'],
      ticks[1]?.mean_corr,
    );
    assert.match(readFileSync(join(run, 'log.txt'), 'utf8'), /^metrics  mean_corr [\d.-]+ mean_rmse [\d.]+ spread [\d.]+$/m);

    await assertEvaluated(t, run, atEnd);

    const killed = workspace.runFolder('measured', 'measured-killed');
    const command = pggan(t, ['start', workspace.manifest('measured', 'measured-killed', { ...spec, metrics })]);
    await killsOf(command, killed).killWhen(({ images: saved }) => saved > 0);
    await succeeded(command);
    assertEqualWeights(killed, run);
    const [log, other] = [killed, run].map((folder) => readFileSync(join(folder, 'log.txt'), 'utf8').replaceAll(/ time .*$/gm, ''));
    assert.equal(log, other);
    assert.deepEqual(newestCheckpoint(killed)?.manifest.metrics, atEnd);
  });

  test('in mixed precision measures what evaluate measures: images are drawn in float32', async (t) => {
    const metrics = { names: ['moments'], images: PHANTOMS, everyTicks: 1 };
    await succeeded(pggan(t, ['start', workspace.manifest('mixed', 'mixed', { ...ONE_PHASE, precision: 'BFloat16Mixed', metrics })]));
    const run = workspace.runFolder('mixed', 'mixed');
    await assertEvaluated(t, run, newestCheckpoint(run)?.manifest.metrics ?? assert.fail('the last checkpoint holds no figures'));
  });

  test('in colour trains on a folder of RGB pictures and draws RGB pictures', async (t) => {
    const images = join(workspace.folder, 'colours');
    mkdirSync(images);
    for (let i = 0; i < 12; i++) writeFileSync(join(images, `${i}.png`), testPng(8 + i, 8 + i, { channels: 3 }));
    const network = { channels: 3, fmapBase: 64, fmapMax: 16, latentSize: 16 };
    const manifest = workspace.manifest('colour', 'colour', { ...ONE_PHASE, network });
    await succeeded(pggan(t, ['start', manifest, '--images', images, '--name', 'colour'], { cwd: workspace.folder }));
    const run = workspace.runFolder('colour', 'colour');
    assert.equal(newestCheckpoint(run)?.images, 1024);
    for (const name of ['reals.png', 'fakes000001.png'])
      assert.equal((await sharp(join(run, 'samples', name)).metadata()).channels, 3, name);
    const { data } = readJson(join(run, 'run.json')) as { readonly data: { readonly label: string } };
    assert.equal(data.label, 'images');
  });

  test('on a labelled dataset trains a conditional network, and goes on after a kill to the same bits', async (t) => {
    const dataset = join(workspace.folder, 'labelled');
    const classes = 3;
    const images = 60;
    const values = Float32Array.from({ length: images * classes }, (_, i) => (Math.floor(i / classes) % classes === i % classes ? 1 : 0));
    await writeDataset(
      { folder: dataset, channels: 1, resolution: 8, images, labels: { rows: images, size: classes, values }, source: { kind: 'unknown' } },
      async (index) => Uint8Array.from({ length: 64 }, (_, pixel) => (index * 37 + pixel * (1 + (index % classes))) % 256),
    );
    assert.equal(parseLabels('labels', readFileSync(join(dataset, 'labelled-rxx.labels'))).size, classes);
    const spec = { ...ONE_PHASE, totalKimg: 3, dataset: { uri: uriOf(dataset) } };
    await succeeded(pggan(t, ['start', workspace.manifest('labelled', 'labelled', spec)]));
    const run = workspace.runFolder('labelled', 'labelled');
    const killed = workspace.runFolder('labelled', 'labelled-killed');
    const command = pggan(t, ['start', workspace.manifest('labelled', 'labelled-killed', spec)]);
    await killsOf(command, killed).killWhen(({ images: saved }) => saved > 0);
    await succeeded(command);
    assertEqualWeights(killed, run);
    assertEqualPictures(killed, run);
    const header = readFileSync(join(run, 'snapshots/network-final.safetensors')).toString('latin1');
    assert.match(header, /labelSize\\*":3/);
  });
});

/** A line of metrics.jsonl where moments are measured. */
type MeasuredTick = { readonly tick: number; readonly images: number; readonly mean_corr?: number };

/** Asserts that `evaluate` finds the figures that the run measured at its end. */
async function assertEvaluated(t: TestContext, run: string, atEnd: Readonly<Record<string, number>>): Promise<void> {
  const evaluated = pggan(t, ['evaluate', run, '--metrics', 'moments', '--num-images', String(PHANTOMS), '--json']);
  await succeeded(evaluated);
  const { moments } = JSON.parse(evaluated.lines.join('\n')) as {
    readonly moments: { readonly meanCorrelation: number; readonly spreadRatio: number };
  };
  assert(Math.abs(moments.meanCorrelation - (atEnd['mean_corr'] ?? Number.NaN)) < 1e-4);
  assert(Math.abs(moments.spreadRatio - (atEnd['spread'] ?? Number.NaN)) < 1e-4);
}

/** What `pggan status --json` tells. */
async function statusOf(t: TestContext, run: string): Promise<Status> {
  const command = pggan(t, ['status', run, '--json']);
  await succeeded(command);
  return JSON.parse(command.lines.join('\n')) as Status;
}

/** Size and time of every file below a folder. */
function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { size, mtimeMs, ino } = statSync(join(folder, name));
      return `${name} ${size} ${mtimeMs} ${ino}`;
    });
}
