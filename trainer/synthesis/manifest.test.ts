import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SynthesisRun } from '../../crds/run.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { imageKey } from './image.ts';
import { finishManifest } from './manifest.ts';
import type { OpenGenerator } from './open-generator.ts';

test('a shard of 150,000 images ends with a manifest of them all, in order', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pggan-manifest-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const store = fileStore(folder);
  const count = 150_000;
  const run = { count, shards: 1, shard: 0, seed: 1, latents: 'RandomState' } as SynthesisRun;
  const generator = {
    shape: { resolution: 4, channels: 1, labelSize: 0 },
    record: { data: { label: 'phantom' } },
    checkpoint: { uri: 'file:///c', digest: 'd', images: 1 },
    weightsDigest: 'w',
  } as unknown as OpenGenerator;
  const sha256 = '0'.repeat(64);
  const images = Array.from({ length: count }, (_, i) => ({ index: count - 1 - i, file: imageKey(count - 1 - i), sha256 }));
  const made = await finishManifest(store, run, generator, images);
  assert.match(made?.digest ?? '', /^[0-9a-f]{64}$/);
  const manifest = JSON.parse(String(await store.read('manifest.json'))) as { readonly images: readonly { readonly index: number }[] };
  assert.equal(manifest.images.length, count);
  assert.ok(manifest.images.every(({ index }, place) => index === place));
});
