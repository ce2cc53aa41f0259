/** A SynthesisJob started on this machine whose images go to an object store. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { temporaryFolder } from '../trainer/checkpoint/test-checkpoints.ts';
import { startObjectStore } from './harness/object-store.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { randomGenerator } from './harness/random-generator.ts';
import { uriOf } from './harness/tiny-training.ts';

test('images drawn by `pggan start` arrive in a bucket with their manifest, and nothing is left on this machine', {
  timeout: 300_000,
}, async (t) => {
  const server = await startObjectStore(t, 'versitygw');
  if (!server) return;
  const folder = await temporaryFolder(t);
  await randomGenerator(join(folder, 'run'));
  const job = {
    apiVersion: 'pggan.dev/v1alpha1',
    kind: 'SynthesisJob',
    metadata: { name: 'drawn', namespace: 'default' },
    spec: {
      checkpoint: { uri: uriOf(join(folder, 'run')) },
      count: 3,
      threads: 1,
      output: { uri: `s3://${server.bucket}/synthetic` },
      store: server.options,
    },
  };
  await writeFile(join(folder, 'job.yaml'), JSON.stringify(job));
  await succeeded(pggan(t, ['start', 'job.yaml'], { cwd: folder, env: server.env }));

  Object.assign(process.env, server.env);
  const images = openStore(`s3://${server.bucket}/synthetic/default/drawn`, { s3: server.options });
  const manifest = JSON.parse(String(await images.read('manifest.json')));
  assert.equal(manifest.images.length, 3);
  for (const { file, sha256 } of manifest.images) {
    const bytes = (await images.read(file)) ?? assert.fail(`${file} is not there`);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  }
  assert.deepEqual(await readdir(join(folder, 'runs/default/drawn-synthesis/.pggan/scratch')), []);
});
