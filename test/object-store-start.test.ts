/** What people start on their own machine with everything in an object store: a training, and images of its generator. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { startObjectStore } from './harness/object-store.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { createWorkspace } from './harness/tiny-training.ts';

test('a training and a SynthesisJob of a bucket end in it, with nothing but notes on this machine', { timeout: 600_000 }, async (t) => {
  const server = await startObjectStore(t, 'versitygw');
  if (!server) return;
  const workspace = await createWorkspace(8);
  t.after(() => workspace.remove());
  Object.assign(process.env, server.env);
  const bucket = `s3://${server.bucket}`;
  const command = (...args: readonly string[]) => pggan(t, args, { cwd: workspace.folder, env: server.env });
  await succeeded(command('dataset', 'upload', workspace.dataset, `${bucket}/phantoms`, '--endpoint', server.endpoint));

  const kept = { output: { uri: `${bucket}/runs` }, store: server.options };
  const training = workspace.manifest('tiny', 'training', { dataset: { uri: `${bucket}/phantoms` }, totalKimg: 3, ...kept });
  await succeeded(command('start', training));
  const run = openStore(`${bucket}/runs/default/tiny`);
  assert.ok(await run.head('snapshots/network-final.safetensors'));

  const again = command('start', training);
  await succeeded(again);
  assert.equal(again.lines[again.lines.indexOf('Pictures:') + 1], `  ${run.uri}/samples/`);

  // The notes on it say where it is and how that store is reached; the environment knows of another.
  const elsewhere = { ...server.env, AWS_ENDPOINT_URL: 'http://127.0.0.1:9' };
  const noted = (...args: readonly string[]) => pggan(t, args, { cwd: workspace.folder, env: elsewhere });
  const measured = noted('evaluate', 'runs/default/tiny', '--num-images', '4', '--json');
  await succeeded(measured);
  assert.match(JSON.parse(measured.lines.join('')).snapshot.uri, new RegExp(`^${run.uri}/checkpoints/`));
  await succeeded(noted('export', 'runs/default/tiny', 'exported', '--format', 'safetensors'));
  assert.ok(existsSync(join(workspace.folder, 'exported')));
  await succeeded(noted('run', 'copy', 'runs/default/tiny', 'copied'));
  assert.ok(existsSync(join(workspace.folder, 'copied/snapshots/network-final.safetensors')));

  await succeeded(command('start', workspace.synthesis('drawn', 'images', { checkpoint: { uri: run.uri }, count: 3, ...kept })));
  const images = openStore(`${bucket}/runs/default/drawn`);
  const manifest = JSON.parse(String(await images.read('manifest.json')));
  assert.equal(manifest.images.length, 3);
  for (const { file, sha256 } of manifest.images) {
    const bytes = (await images.read(file)) ?? assert.fail(`${file} is not there`);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  }

  for (const notes of ['tiny', 'drawn-synthesis']) {
    const folder = join(workspace.folder, 'runs/default', notes);
    assert.deepEqual(readdirSync(folder).sort(), ['.pggan', 'pggan-status.json', 'trainer.log']);
    assert.deepEqual(readdirSync(join(folder, '.pggan/scratch')), []);
    assert.ok(!readFileSync(join(folder, 'trainer.log'), 'utf8').includes(server.credentials.secretKey));
  }
});
