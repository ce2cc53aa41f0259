import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { PgganError } from '../../crds/errors.ts';
import { parseProgress, type Progress } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { runDocumentOf } from '../../test/harness/tiny-run.ts';
import { createWorkspace } from '../../test/harness/tiny-training.ts';
import { saveCheckpoint } from '../checkpoint/checkpoint.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { checkpointKey, type CommittedCheckpoint, fileName } from '../checkpoint/format.ts';
import { importClaim } from '../checkpoint/imported.ts';
import { claimRun, type RunClaim } from '../checkpoint/run-folder.ts';
import { mayWrite, someCheckpoint } from '../checkpoint/test-checkpoints.ts';
import { openClaimed, openRun } from './open-run.ts';
import { runPreflight } from './preflight.ts';

/** A workspace, the run document of a training in it, and the store of a run with two checkpoints that others can be forked from. */
async function fork(t: TestContext) {
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  const sourceFolder = join(workspace.folder, 'source');
  const source = fileStore(sourceFolder);
  const first = await saveCheckpoint(source, someCheckpoint(64, 1), mayWrite);
  const newest = await saveCheckpoint(source, someCheckpoint(128, 2, { parent: first }), mayWrite);
  const manifest = workspace.manifest('tiny', 'forks', { totalKimg: 1 });
  const folder = join(workspace.folder, 'fork');
  const run: TrainingRun = { ...runDocumentOf(manifest, folder, 4), initFrom: { uri: pathToFileURL(sourceFolder).href } };
  return { workspace, run, folder, source, sourceFolder, newest };
}

async function claimOnce(run: TrainingRun) {
  const claimed = await openClaimed(run, false, () => {});
  await claimed.close();
  return claimed;
}

/** What a preflight tells last, or throws. */
async function preflight(run: TrainingRun): Promise<{ readonly told: Progress | undefined; readonly error: unknown }> {
  let told: Progress | undefined;
  const server = { port: 0, update: (progress: Progress) => void (told = progress), step: () => {}, close: async () => {} };
  const error = await runPreflight(run, server, () => {}).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { told: told && parseProgress(JSON.stringify(told)), error };
}

test('a fork keeps to the checkpoint it began with, whatever becomes of the run that it came from', async (t) => {
  const { run, source, newest } = await fork(t);
  const { record, origin } = await claimOnce(run);
  assert.deepEqual(origin?.checkpoint, newest.ref);
  assert.deepEqual(record.source?.checkpoint, newest.ref);

  const later = await saveCheckpoint(source, someCheckpoint(256, 3, { parent: newest }), mayWrite);
  const again = await claimOnce(run);
  assert.equal(again.record.fingerprint, record.fingerprint);
  assert.deepEqual(again.origin?.checkpoint, newest.ref, `${later.ref.uri} is no concern of it`);

  const open = await openRun(run, () => {});
  t.after(() => open.close());
  const tensors = open.takeTensors();
  assert.ok(tensors.kind === 'forked' && tensors.checkpoint.manifest.images === 128);
  assert.throws(() => open.takeTensors(), /taken already/);
});

test('a fork that has a checkpoint of its own goes on without its source', async (t) => {
  const { run, folder, sourceFolder } = await fork(t);
  const { origin } = await claimOnce(run);
  const own = await saveCheckpoint(fileStore(folder), someCheckpoint(16, 5, { origin: origin?.checkpoint }), mayWrite);
  await rm(sourceFolder, { recursive: true });
  const open = await openRun(run, () => {});
  await open.close();
  assert.deepEqual([open.restored?.ref, open.origin], [own.ref, undefined]);
  assert.deepEqual(open.restored?.manifest.parent, origin?.checkpoint, 'the lineage is recorded');
});

test('a fork whose source is gone, or holds other weights there, before it has a checkpoint is refused with what is missing', async (t) => {
  const { run, source } = await fork(t);
  await claimOnce(run);
  await source.remove(`${checkpointKey(128)}checkpoint.json`);
  await assert.rejects(
    openRun(run, () => {}),
    { code: 'CheckpointInvalid', message: /000000000128\/checkpoint\.json is not there/ },
  );
  await saveCheckpoint(source, someCheckpoint(128, 9), mayWrite);
  await assert.rejects(
    openRun(run, () => {}),
    { code: 'CheckpointInvalid', message: /holds other weights than when this run was forked/ },
  );
});

test('a fork of a run, or of a snapshot, with networks of another size is refused at preflight, with the fields; its folder stays free', async (t) => {
  const { run, folder, workspace } = await fork(t);
  const { initFrom: _, ...other } = runDocumentOf(workspace.manifest('tiny', 'source', { totalKimg: 1 }), folder, 4);
  const software = { name: 'tests' };
  const trainedWith = (network: Partial<TrainingRun['network']>): RunClaim => {
    const options = { ...other, network: { ...other.network, ...network } };
    return { parts: {}, options, software, data: { label: 'phantom', images: 8 } };
  };
  const forkOf = async (name: string, claim: RunClaim): Promise<TrainingRun> => {
    const source = fileStore(join(workspace.folder, name));
    await claimRun(source, claim, new Date());
    await saveCheckpoint(source, someCheckpoint(64, 1), mayWrite);
    return { ...run, initFrom: { uri: source.uri } };
  };
  const imported = importClaim({ ...other.network, resolution: 8, labelSize: 0 }, software);
  for (const [name, claim, message] of [
    [
      'wider',
      trainedWith({ latentSize: 24 }),
      /^spec\.initFrom: the networks of .*wider .*spec\.network\.latentSize is \d+ here and 24 there/,
    ],
    ['larger', imported, /spec\.resolution is 4 here and 8 there/],
  ] as const) {
    const { error } = await preflight(await forkOf(name, claim));
    assert.ok(error instanceof PgganError && error.code === 'OptionsInvalid', String(error));
    assert.match(error.message, message);
    assert.ok(!existsSync(join(folder, 'run.json')) && !existsSync(join(folder, 'owner.json')));
  }
  const sameTensors = await forkOf('same', trainedWith({ pixelnormEpsilon: 1e-6 }));
  assert.equal((await preflight(sameTensors)).error, undefined);
});

test('a preflight reads no tensor: sizes are enough, and a checkpoint of another size is skipped', async (t) => {
  const { run: forked, folder } = await fork(t);
  const { initFrom: _, ...run } = forked;
  const { told, error } = await preflight(run);
  assert.equal(error, undefined);
  assert.ok(told?.kind === 'preflight' && told.state === 'Complete' && told.images === 0 && !told.complete);
  const store = fileStore(folder);
  const saved: CommittedCheckpoint[] = [];
  for (const images of [16, 1008])
    saved.push(await saveCheckpoint(store, someCheckpoint(images, images, { parent: saved.at(-1) }), mayWrite));
  const name = `${saved[1]?.key}${fileName('generator', 1)}`;
  const bytes = (await store.read(name)) ?? assert.fail();
  bytes[bytes.length - 1] = 1;
  await store.write(name, [bytes]);
  assert.equal(imagesOf((await preflight(run)).told), 1008);
  await store.write(name, [bytes.subarray(1)]);
  assert.equal(imagesOf((await preflight(run)).told), 16);
});

test('a preflight of another run’s folder tells the fields that differ, and leaves the folder as it was', async (t) => {
  const { run, folder } = await fork(t);
  await claimOnce(run);
  const before = await readFile(join(folder, 'run.json'), 'utf8');
  const { told, error } = await preflight({ ...run, seed: 77, mirrorAugment: true });
  assert.equal((error as { readonly code?: string }).code, 'FingerprintMismatch');
  assert.ok(told?.kind === 'preflight');
  assert.deepEqual(told.differences, ['mirrorAugment: false in the folder, true wanted', 'seed: 1000 in the folder, 77 wanted']);
  assert.equal(await readFile(join(folder, 'run.json'), 'utf8'), before);
});

test('a preflight of a folder inside another run is refused and claims nothing; a run that stands there already goes on', async (t) => {
  const { run: forked, folder } = await fork(t);
  const { initFrom: _, ...run } = forked;
  const inner = join(folder, 'default', 'inner');
  const within: TrainingRun = { ...run, run: { ...run.run, uri: pathToFileURL(inner).href } };
  await claimOnce(within);
  await claimOnce(run);
  assert.equal((await preflight(within)).error, undefined);
  await rm(inner, { recursive: true });
  const { error } = await preflight(within);
  assert.ok(error instanceof PgganError && error.code === 'RunNested', String(error));
  assert.match(error.message, /fork\/default\/inner lies inside file:.*\/fork, the run folder of training default\/tiny: /);
  assert.ok(!existsSync(inner));
});

function imagesOf(progress: Progress | undefined): number | undefined {
  return progress?.kind === 'preflight' ? progress.images : undefined;
}
