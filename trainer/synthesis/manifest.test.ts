import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { SynthesisRun } from '../../crds/run.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { imageKey } from './image.ts';
import { openJournal } from './journal.ts';
import { claimImages, finishManifest } from './manifest.ts';
import type { OpenGenerator } from './open-generator.ts';
import { shardOf } from './shard.ts';

const generator = {
  shape: { resolution: 4, channels: 1, labelSize: 0 },
  record: { data: { label: 'phantom' } },
  checkpoint: { uri: 'file:///c', digest: 'd', images: 1 },
  weightsDigest: 'w',
} as unknown as OpenGenerator;
const BLOCK = 5000;
const entry = (index: number) => ({ index, file: imageKey(index), sha256: String(index).padStart(64, '0'), size: 1, version: 'v' });

test('the manifest of 150,000 images in three shards holds them all, in order, one a line, once the last shard is done', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const count = 150_000;
  const run = { count, shards: 3, seed: 1, latents: 'RandomState' } as SynthesisRun;
  const finish = async (number: number) => {
    const shard = shardOf({ ...run, shard: number }, BLOCK);
    const journal = await openJournal(store, number);
    for (let block = 0; block < shard.blocks; block++) await journal.write(block, shard.indexes(block).map(entry).toReversed());
    return finishManifest({ store, run, generator, shard }, BLOCK, ({ file }) => ({ file }));
  };
  assert.deepEqual([await finish(2), await finish(0), await store.read('manifest.json')], [undefined, undefined, undefined]);
  const made = await finish(1);
  const bytes = (await store.read('manifest.json')) ?? assert.fail('no manifest');
  assert.equal(made?.digest, createHash('sha256').update(bytes).digest('hex'));
  const manifest = JSON.parse(String(bytes)) as { readonly count: number; readonly images: readonly unknown[] };
  assert.equal(manifest.count, count);
  assert.equal(manifest.images.length, count);
  assert.deepEqual(manifest.images[149_999], { index: 149_999, file: 'images/149999.png', sha256: String(149_999).padStart(64, '0') });
  assert.ok(manifest.images.every((image, place) => (image as { readonly index: number }).index === place));
  assert.ok(String(bytes).includes('\n    {"index":7,"file":"images/000007.png","sha256":"0'));
});

test('a shard of an earlier, smaller count is not taken for done, and a lost note is told with the remedy', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const finish = async (count: number, number: number, shards: number, noted = count) => {
    const run = { count, shards, seed: 1 } as SynthesisRun;
    const shard = shardOf({ ...run, shard: number }, BLOCK);
    const journal = await openJournal(store, number);
    const indexes = shard.indexes(0).slice(0, noted);
    await journal.write(0, indexes.map(entry));
    return finishManifest({ store, run, generator, shard }, BLOCK, ({ file }) => ({ file }));
  };
  assert.equal(await finish(6, 0, 2), undefined);
  assert.equal(await finish(8, 1, 2), undefined, 'shard 0 has made 3 of its 4 images');
  await assert.rejects(finish(8, 0, 2, 3), {
    code: 'CheckpointInvalid',
    message: /has lost the note of image 6 in its journal: delete manifests\/shard-0000.json there, and run shard 0 again/,
  });
  assert.notEqual(await finish(8, 0, 2), undefined);
});

test('a folder of images is claimed by the same options again, and by no others', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const run = { count: 8, shards: 2, shard: 0, seed: 1, latents: 'RandomState', output: { uri: store.uri } } as SynthesisRun;
  const claim = (changes: Partial<SynthesisRun>) => claimImages(store, { ...run, ...changes }, generator);
  await claim({});
  await claim({ shard: 1, count: 9 });
  await claim({ resolution: 4, format: 'PNG' });
  for (const [changes, said] of [
    [{ latents: 'Philox' }, 'latents RandomState in the folder, Philox wanted'],
    [{ truncation: 0.7 }, 'truncation not set in the folder, 0.7 wanted'],
    [{ label: 0 }, 'label not set in the folder, 0 wanted'],
    [{ resolution: 2 }, 'resolution 4 in the folder, 2 wanted'],
    [{ format: 'TFRecord' }, 'format PNG in the folder, TFRecord wanted'],
    [{ shards: 1 }, 'shards 2 in the folder, 1 wanted'],
  ] as const) {
    const refusal = { code: 'FingerprintMismatch', message: new RegExp(`${said}[.] Name another output folder`) };
    await assert.rejects(claim(changes), refusal);
  }
});
