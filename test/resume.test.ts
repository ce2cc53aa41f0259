/** Exact resume: a training that is stopped, moved and started again ends with the bits of one that never stopped. */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Precision } from '../crds/run.ts';
import { scheduleAt } from '../crds/schedule.ts';
import { assertEqualFiles, assertEqualLogs, assertEqualPictures, assertEqualWeights } from './harness/compare.ts';
import { succeeded } from './harness/pggan.ts';
import { runDocumentOf, stopPast, train } from './harness/tiny-run.ts';
import { createWorkspace, newestCheckpoint, stateOf, type Workspace } from './harness/tiny-training.ts';

/** 4x4 to 1,024 images; 8x8 fades in to 2,000 and ends at 3,008. No checkpoint but those of a stop and of a phase's end. */
const SPEC = {
  totalKimg: 3,
  schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 16, tickKimgBase: 1 },
  checkpoints: { everyKimg: 100, everySeconds: 3600, keepLast: 2 },
};

let workspace: Workspace;
before(async () => {
  workspace = await createWorkspace(8);
});
after(() => workspace.remove());

for (const precision of ['Float32', 'BFloat16Mixed'] as const satisfies readonly Precision[]) {
  test(`a ${precision} run stopped within a phase and within a fade, and moved to another folder, ends with the same bits`, async (t) => {
    const manifest = workspace.manifest('tiny', precision, { ...SPEC, precision });
    const reference = join(workspace.folder, `${precision}-undisturbed`);
    for (const resolution of [4, 8]) await succeeded(train(t, runDocumentOf(manifest, reference, resolution)));

    const first = join(workspace.folder, `${precision}-stopped`);
    const document = runDocumentOf(manifest, first, 4);
    const stopped = async (images: number, run: string, resolution: number) => {
      assert.equal(await stopPast(images, train(t, runDocumentOf(manifest, run, resolution))), 75);
      const saved = newestCheckpoint(run) ?? assert.fail('nothing was saved');
      assert(saved.images >= images, `saved after ${saved.images} images, though it had shown ${images}`);
      return { images: saved.images, lod: scheduleAt(document.schedule, stateOf(saved).imagesAtIterationStart).lod };
    };
    assert((await stopped(300, first, 4)).images < 1024, 'the phase was over before it was stopped');
    await succeeded(train(t, document));
    const { lod } = await stopped(1300, first, 8);
    assert(lod > 0 && lod < 1, `lod ${lod} is no fade-in`);

    // Moved: nothing is left where it was.
    const second = join(workspace.folder, `${precision}-moved`);
    renameSync(first, second);
    assert.equal((await stopped(2300, second, 8)).lod, 0);
    await succeeded(train(t, runDocumentOf(manifest, second, 8)));

    assertEqualWeights(second, reference);
    assertEqualLogs(second, reference);
    assertEqualPictures(second, reference);
    const final = 'snapshots/network-final.safetensors';
    assertEqualFiles(join(second, final), join(reference, final));
    assert.equal(stateOf(newestCheckpoint(second) ?? assert.fail()).attempt, 5);
  });
}
