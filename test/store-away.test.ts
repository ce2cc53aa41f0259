/** A run whose object store goes away and that is then asked to stop: nothing is lost, and nobody waits for the store. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findNewestCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { startFaultProxy } from './harness/fault-proxy.ts';
import { startObjectStore } from './harness/object-store.ts';
import { succeeded } from './harness/pggan.ts';
import { progressWhen, runDocumentOf, train } from './harness/tiny-run.ts';
import { createWorkspace } from './harness/tiny-training.ts';

test('the last checkpoint is staged before anything waits for the store; the next start saves it first and ends with the same bits', async (t) => {
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  const proxy = await startFaultProxy(t, Number(new URL(server.endpoint).port));
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  const spec = { totalKimg: 3, schedule: { minibatchBase: 16, tickKimgBase: 1 } };
  const manifest = workspace.manifest('tiny', 'away', spec);
  const undisturbed = runDocumentOf(manifest, join(workspace.folder, 'undisturbed'), 4);
  await succeeded(train(t, undisturbed));

  const run = { ...undisturbed, run: { uri: `s3://${server.bucket}/runs/away` }, store: { ...server.options, endpoint: proxy.endpoint } };
  const scratch = mkdtempSync(join(workspace.folder, 'scratch-'));
  const env = { ...server.env, PGGAN_SCRATCH: scratch };
  const store = openStore(run.run.uri, { s3: server.options });
  Object.assign(process.env, server.env);

  const first = train(t, run, { env });
  await progressWhen(first, ({ checkpoint }) => checkpoint !== undefined);
  await proxy.down();
  // Now it waits for the store, with all the patience that it has for one that answered before.
  await progressWhen(first, ({ images, checkpoint }) => images >= (checkpoint?.images ?? 0) + 1000);
  process.kill(first.pid, 'SIGTERM');
  assert.equal((await first.ended).code, 75, [...first.lines, ...first.errors].join('\n'));
  assert.match(first.lines.join('\n'), /stopped on request \(SIGTERM\) after saving into .*staged.*cannot .*nothing listens there/);
  assert.match(first.lines.join('\n'), /warning: the run could not be released/);
  assert.equal(readdirSync(join(scratch, 'staged')).length, 1);
  const before = (await findNewestCheckpoint(store))?.checkpoint.manifest.images ?? 0;

  await proxy.up();
  const second = train(t, run, { env });
  const said = await second.said(/warning: the checkpoint after \d+ images, which waited in .*, was saved first/);
  assert.ok(Number(/after (\d+) images/.exec(said)?.[1]) >= before + 1000);
  await succeeded(second);
  const digests = [store, openStore(undisturbed.run.uri)].map(
    async (each) => (await findNewestCheckpoint(each))?.checkpoint.manifest.weightsDigest,
  );
  const [ours, theirs] = await Promise.all(digests);
  assert.ok(ours !== undefined);
  assert.equal(ours, theirs);
});

test('a stop at the very last image, while the store takes no pictures, leaves a run that is complete with its network; the next start draws', async (t) => {
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  // One tick: the first picture after the beginning is the one at the end.
  const spec = { totalKimg: 1, schedule: { minibatchBase: 16, tickKimgBase: 2 } };
  const run = runDocumentOf(workspace.manifest('tiny', 'last', spec), join(workspace.folder, 'runs'), 4);
  const store = openStore(run.run.uri);
  const folder = fileURLToPath(run.run.uri);
  const [samples, aside] = [join(folder, 'samples'), join(folder, 'aside')];

  const first = train(t, run);
  await progressWhen(first, ({ picture }) => picture !== undefined);
  renameSync(samples, aside);
  writeFileSync(samples, 'no folder for pictures');
  await progressWhen(first, ({ waiting }) => waiting?.code === 'StoreUnavailable');
  process.kill(first.pid, 'SIGTERM');
  assert.equal((await first.ended).code, 75, [...first.lines, ...first.errors].join('\n'));
  assert.match(first.lines.join('\n'), /warning: the store took no pictures of the end of this phase/);
  const { images, phaseEnd, weightsDigest } = (await findNewestCheckpoint(store))?.checkpoint.manifest ?? assert.fail();
  assert.deepEqual([images >= 1000, phaseEnd], [true, 4]);
  assert.ok(await store.head('snapshots/network-final.safetensors'));

  rmSync(samples);
  renameSync(aside, samples);
  await succeeded(train(t, run));
  for (const picture of ['growth.png', 'losses.png']) assert.ok(existsSync(join(samples, picture)), picture);
  assert.equal((await findNewestCheckpoint(store))?.checkpoint.manifest.weightsDigest, weightsDigest);
});
