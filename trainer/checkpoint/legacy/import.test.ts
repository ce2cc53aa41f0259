import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { before, test } from 'node:test';
import { shared } from '../../../test/harness/shared.ts';
import { prepareBackend } from '../../backend/backend.ts';
import { openGenerator, trainingOf } from '../../synthesis/open-generator.ts';
import { fileStore } from '../file-store.ts';
import { loadFrom } from '../load-from.ts';
import { floatsOf, parseSafetensors } from '../safetensors.ts';
import { temporaryFolder } from '../test-checkpoints.ts';
import { type ImportSource, importSnapshot } from './import.ts';
import { pythonSnapshots, TINY, TINY_LOD } from './test-snapshots.ts';

const NOW = new Date('2026-02-03T04:05:06Z');
const SOFTWARE = { 'pggan-operator': '0' };

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

const sourceOf = (bytes: Uint8Array, name: string, kimg?: number): ImportSource => ({
  name,
  uri: `file:///original/${name}`,
  bytes,
  modified: new Date('2018-01-02T03:04:05Z'),
  kimg,
});

test('the snapshot of the original is a run folder whose generator makes the images that the original made of it', async (t) => {
  const path = shared(t, 'golden/pickle/network-snapshot-000010.pkl');
  const expectedPath = shared(t, 'golden/pickle/expected.safetensors');
  if (path === undefined || expectedPath === undefined) return;
  const store = fileStore(await temporaryFolder(t));
  const { kind, snapshot, checkpoint } = await importSnapshot(
    store,
    sourceOf(readFileSync(path), 'network-snapshot-000010.pkl'),
    SOFTWARE,
    NOW,
  );
  assert.equal(kind, 'new');
  const parent = {
    uri: 'file:///original/network-snapshot-000010.pkl',
    images: 10_000,
    digest: snapshot.sha256,
    time: '2018-01-02T03:04:05.000Z',
  };
  assert.deepEqual(checkpoint.manifest.parent, parent);

  const { tensors } = parseSafetensors(readFileSync(expectedPath), expectedPath);
  const expected = (name: string): Float32Array => floatsOf(tensors.get(name) ?? assert.fail(`${expectedPath} has no ${name}`), name);
  for (const uri of [store.uri, checkpoint.ref.uri]) {
    const generator = await openGenerator(uri);
    assert.deepEqual([generator.lod, generator.shape.labelSize, generator.record.data.label], [0.25, 0, 'unknown']);
    const sampler = generator.sampler(4, 'graph');
    // One channel: [N, H, W, 1] is [N, 1, H, W].
    const made = sampler.sample({ latents: expected('latents') });
    const difference = Math.max(...expected('Gs_images').map((value, i) => Math.abs(value - (made[i] ?? Number.NaN))));
    assert(difference <= 1e-5, `Gs(z) is off by ${difference}`);
    sampler.dispose();
    assert.throws(() => trainingOf(generator), {
      code: 'OptionsInvalid',
      message: /imported from a snapshot, which does not say what data/,
    });
  }
});

test('whatever protocol and NumPy wrote them, equal networks become equal checkpoints, which runs can start from', async (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  const digests = new Set<string>();
  for (const numpy of ['numpy1', 'numpy2']) {
    for (const protocol of [2, 3, 4, 5]) {
      const store = fileStore(await temporaryFolder(t));
      const source = sourceOf(python.read(`${numpy}-protocol${protocol}`), 'network-final.pkl', 12);
      const { checkpoint } = await importSnapshot(store, source, SOFTWARE, NOW);
      digests.add(checkpoint.manifest.weightsDigest);
      const { checkpoint: found } = await loadFrom(store.uri, ['generator', 'discriminator', 'generator-ema'], {});
      assert.deepEqual([found.manifest.images, found.state.previousLod], [12_000, TINY_LOD]);
      assert.equal((await openGenerator(store.uri)).shape.labelSize, TINY.labelSize);
    }
  }
  assert.equal(digests.size, 1);
});

test('the snapshots of one run share a folder; the same one is known again, another one in its place and another network are refused', async (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  const store = fileStore(await temporaryFolder(t));
  const take = (snapshot: string, kimg: number | undefined, name = 'network-snapshot-000040.pkl') =>
    importSnapshot(store, sourceOf(python.read(snapshot), name, kimg), SOFTWARE, NOW);
  assert.equal((await take('numpy2-protocol4', undefined)).checkpoint.manifest.images, 40_000);
  assert.equal((await take('numpy2-protocol4', undefined)).kind, 'known');
  await take('numpy1-protocol2', 80);
  assert.equal((await loadFrom(store.uri, [], {})).checkpoint.manifest.images, 80_000);
  await assert.rejects(take('numpy1-protocol2', 40), {
    code: 'FingerprintMismatch',
    message: /holds another snapshot after 40 kimg, file:.*network-snapshot-000040\.pkl: import into another folder/,
  });
  await assert.rejects(take('numpy2-protocol4', undefined, 'network-final.pkl'), {
    code: 'OptionsInvalid',
    message: /network-final\.pkl: .*give --kimg/,
  });
  await assert.rejects(take('numpy2-protocol4', undefined, 'network-snapshot-20180101120000.pkl'), {
    code: 'OptionsInvalid',
    message: /after 20180101120000 kimg, more than the 1000000 of any run/,
  });
  const path = shared(t, 'golden/pickle/network-snapshot-000010.pkl');
  if (path === undefined) return;
  const other = { ...sourceOf(readFileSync(path), 'network-snapshot-000010.pkl'), uri: pathToFileURL(path).href };
  await assert.rejects(importSnapshot(store, other, SOFTWARE, NOW), {
    code: 'FingerprintMismatch',
    message: /labelSize: 2 in the folder, 0 wanted.*resolution: 8 in the folder, 16 wanted/,
  });
});
