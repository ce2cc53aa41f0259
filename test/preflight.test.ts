/** `preflight` as a pod or the local driver runs it: what is wrong is said before anything is trained, the rest in its last words. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { MAX_TERMINATION_BYTES, parseProgress, type PreflightProgress } from '../crds/progress.ts';
import { fileStore } from '../trainer/checkpoint/file-store.ts';
import { acquireRun, systemClock } from '../trainer/checkpoint/owner.ts';
import { pggan, succeeded, trainer } from './harness/pggan.ts';
import { runDocumentOf } from './harness/tiny-run.ts';
import { createWorkspace, PHANTOMS, readJson, type Workspace } from './harness/tiny-training.ts';

suite('a preflight', { concurrency: false }, () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await createWorkspace(8);
  });
  after(() => workspace.remove());

  const folder = (name: string): string => join(workspace.folder, name);
  test('of a new run takes the folder, and tells its fingerprint and the size of the dataset per resolution', async (t) => {
    const log = folder('answer.json');
    const run = runDocumentOf(workspace.manifest('tiny', 'new'), folder('new'));
    await succeeded(trainer(t, run, { env: { PGGAN_TERMINATION_LOG: log } }));
    const { fingerprint } = readJson(join(folder('new'), 'run.json')) as { readonly fingerprint: string };
    const bytes = (resolution: string): number => statSync(join(workspace.dataset, `phantoms-r${resolution}.tfrecords`)).size;
    assert.partialDeepStrictEqual(answerIn(log), {
      state: 'Complete',
      fingerprint,
      differences: [],
      images: 0,
      complete: false,
      datasetBytes: { '4': bytes('02'), '8': bytes('03') },
      datasetImages: PHANTOMS,
    });
  });

  test('of a folder that a living process writes to names that process', async (t) => {
    const owner = { cluster: 'test', namespace: 'other', name: 'busy', uid: 'u' };
    const writer = await acquireRun(fileStore(folder('taken')), owner, systemClock);
    const log = folder('taken.json');
    const refused = trainer(t, runDocumentOf(workspace.manifest('tiny', 'taken'), folder('taken')), {
      env: { PGGAN_TERMINATION_LOG: log },
    });
    assert.equal((await refused.ended).code, 75);
    assert.equal(answerIn(log).failure?.code, 'RunOwned');
    assert.match(answerIn(log).failure?.message ?? '', new RegExp(`is being written by process ${process.pid} .*training other/busy`));
    await writer.release();
  });

  test('of a dataset of other sides than the run is refused with both', async (t) => {
    const run = runDocumentOf(workspace.manifest('tiny', 'larger', { resolution: 16 }), folder('larger'));
    const refused = trainer(t, run);
    assert.equal((await refused.ended).code, 2);
    assert.match(
      refused.errors.join('\n'),
      /error: DatasetInvalid: dataset .* ends at 8x8, the run wants 16x16: create it again at that size, or lower spec\.resolution/,
    );
    assert.ok(!existsSync(folder('larger')), 'the folder was taken all the same');
  });

  test('is not what train does, nor the other way round', async (t) => {
    const manifest = workspace.manifest('tiny', 'swapped');
    for (const [command, resolution, asks] of [
      ['train', undefined, 'preflight'],
      ['preflight', 4, 'train'],
    ] as const) {
      const env = { PGGAN_RUN: JSON.stringify(runDocumentOf(manifest, folder('swapped'), resolution)) };
      const refused = pggan(t, [command], { env });
      assert.equal((await refused.ended).code, 2);
      assert.match(refused.errors.join('\n'), new RegExp(`RunDocumentInvalid: .* for the command ${asks}, not for ${command}`));
    }
    assert.ok(!existsSync(folder('swapped')));
  });
});

function answerIn(file: string): PreflightProgress {
  assert.ok(statSync(file).size <= MAX_TERMINATION_BYTES);
  const answer = parseProgress(readFileSync(file, 'utf8'));
  return answer?.kind === 'preflight' ? answer : assert.fail('no answer of a preflight');
}
