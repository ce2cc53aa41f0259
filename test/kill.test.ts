/** A run that is killed a dozen times ends with the same bits as one that nobody touched. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertEqualFiles, assertEqualLogs, assertEqualPictures, assertEqualWeights } from './harness/compare.ts';
import { killsOf, type Stillness } from './harness/kills.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { driverOf, ended, killHard, trainerOf } from './harness/processes.ts';
import { checkpointFolders, createWorkspace, newestCheckpoint, stateOf, type Workspace } from './harness/tiny-training.ts';

/**
 * Phases 0 to 2,048 images at 4x4, to 6,016 at 8x8 and to 12,032 at 16x16; each fade takes 2 kimg, so that a checkpoint falls into it, and
 * each phase is so long that one falls far from its end.
 */
const SPEC = {
  totalKimg: 12,
  schedule: { trainKimg: 2, transitionKimg: 2, minibatchBase: 16, tickKimgBase: 1 },
  maxRestarts: 100,
};
const NAME = 'killed';

let workspace: Workspace;
before(async () => {
  workspace = await createWorkspace(16);
});
after(() => workspace.remove());

test('kills at every kind of moment, of the trainer and of the driver, cost the time since the last checkpoint and not one bit', async (t) => {
  const reference = workspace.runFolder(NAME, 'undisturbed');
  const undisturbed = pggan(t, ['start', workspace.manifest(NAME, 'undisturbed', SPEC)]);

  const run = workspace.runFolder(NAME, 'disturbed');
  const manifest = workspace.manifest(NAME, 'disturbed', SPEC);
  const first = pggan(t, ['start', manifest]);
  let killer = killsOf(first, run);
  const kills: Stillness[] = [];
  /** Images that the running trainer started from: what it has saved since is news. */
  let since = 0;
  /** Waits until the run goes on, which must be from the newest checkpoint that was there at the kill. */
  const goesOn = async (killed: Stillness): Promise<void> => {
    kills.push(killed);
    since = await killer.resumedAfter(killed.attempt);
    assert.equal(since, killed.images, `it had saved ${killed.images} images, and went on from ${since}`);
  };
  const isNews = (seen: Stillness): boolean => seen.images > since;
  /** Between a file's upload and its checkpoint.json. */
  const killUpload = async (): Promise<void> => {
    const killed = await killer.killWhen(({ uploading }) => uploading !== undefined);
    assert(!existsSync(join(killed.uploading?.folder ?? '', 'checkpoint.json')));
    await goesOn(killed);
  };

  await killUpload();
  await goesOn(await killer.killWhen(isNews));
  // The phase is over and saved, its process still there.
  await goesOn(await killer.killWhen((seen) => isNews(seen) && seen.phaseEnd === 4));
  await goesOn(await killer.killPast(since + 500));
  // Inside a fade: the checkpoint to go on from stands there too.
  const fading = await killer.killWhen((seen) => isNews(seen) && seen.phaseEnd === null);
  assert(fading.lod > 1 && fading.lod < 2, `lod ${fading.lod} is no fade-in of 8x8`);
  await goesOn(fading);
  await killUpload();
  await goesOn(await killer.killPast(since + 700));

  // kill -9 of the driver: its trainer saves and ends by itself, and the next start goes on.
  const { images: shown, attempt } = await killer.trainedOn(since + 300);
  const driver = driverOf(first) ?? assert.fail('no driver runs');
  const trainer = trainerOf(first) ?? assert.fail('no trainer runs');
  killHard(driver);
  await ended(trainer.pid);
  assert.equal((await first.ended).code, 128 + 9);
  const saved = newestCheckpoint(run)?.images ?? 0;
  assert(saved >= shown, `its trainer had shown ${shown} images and saved ${saved}`);
  const second = pggan(t, ['start', manifest]);
  killer = killsOf(second, run);
  since = await killer.resumedAfter(attempt);
  assert.equal(since, saved);

  await goesOn(await killer.killWhen((seen) => isNews(seen) && seen.phaseEnd === 8));
  await goesOn(await killer.killWhen((seen) => isNews(seen) && !Number.isInteger(seen.lod)));
  await killUpload();
  await goesOn(await killer.killPast(since + 300));
  // All images are shown and saved, but the final network is not written yet.
  await goesOn(await killer.killWhen((seen) => seen.phaseEnd === 16));
  await Promise.all([succeeded(second), succeeded(undisturbed)]);

  assert.equal(kills.length, 12);
  assertEqualWeights(run, reference);
  assertEqualLogs(run, reference);
  assertEqualPictures(run, reference);
  const final = 'snapshots/network-final.safetensors';
  assertEqualFiles(join(run, final), join(reference, final));

  const last = newestCheckpoint(run) ?? assert.fail('no checkpoint');
  const { environment, attempt: processes } = stateOf(last);
  assert.equal(environment['kind'], 'native');
  assert.deepEqual(environment, stateOf(newestCheckpoint(reference) ?? assert.fail('no checkpoint')).environment);
  assert(processes > kills.length, `only ${processes} processes have trained`);
  // Nothing is left of what was being written when it was killed.
  assert(checkpointFolders(run).every((folder) => folder.manifest));
  assert.deepEqual(readdirSync(join(run, '.unfinished')), []);
  assert.deepEqual(
    checkpointFolders(run).flatMap(({ images, manifest }) => (manifest?.phaseEnd === null ? [] : [images])),
    [2048, 6016, 12_032],
  );
});
