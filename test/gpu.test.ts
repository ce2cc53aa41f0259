/** A trainer that was promised a GPU and finds none ends at once and says so: on the CPU it would look as if it worked. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT } from '../crds/errors.ts';
import { parseProgress } from '../crds/progress.ts';
import { trainer } from './harness/pggan.ts';
import { runDocumentOf } from './harness/tiny-run.ts';
import { checkpointFolders, createWorkspace } from './harness/tiny-training.ts';

test('a training that was promised a GPU does not begin on the CPU: exit 2, with the reason in its last words', async (t) => {
  const workspace = await createWorkspace(8);
  t.after(() => workspace.remove());
  const folder = join(workspace.folder, 'run');
  const words = join(workspace.folder, 'termination.json');
  const run = runDocumentOf(workspace.manifest('tiny', 'runs'), folder, 4);
  const promised = trainer(t, { ...run, device: 'gpu' }, { env: { PGGAN_TERMINATION_LOG: words, CUDA_VISIBLE_DEVICES: '-1' } });
  assert.equal((await promised.ended).code, EXIT.invalid);
  const { failure } = parseProgress(readFileSync(words, 'utf8')) ?? {};
  assert.equal(failure?.code, 'BackendUnavailable');
  assert.match(failure?.message ?? '', /^a GPU was asked for, but the native backend found none and computes on the CPU/);
  assert.deepEqual(checkpointFolders(folder), []);
});
