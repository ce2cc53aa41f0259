import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { openDataset } from '../data/dataset.ts';
import { recordBytes } from '../data/tfrecord.ts';
import { finishManifest } from './manifest.ts';
import { openJournal } from './journal.ts';
import type { OpenGenerator } from './open-generator.ts';
import { partImages, recordFiles, recordPlace } from './record-files.ts';
import { shardOf } from './shard.ts';

const SIDE = 8;
const generator = {
  shape: { resolution: 16, channels: 3, labelSize: 3 },
  record: { data: { label: 'phantom' } },
  checkpoint: { uri: 'file:///c', digest: 'c0ffee', images: 1 },
  weightsDigest: 'w',
} as unknown as OpenGenerator;
const BLOCK = 4;
const COUNT = 10;
const job = { count: COUNT, shards: 1, shard: 0, seed: 1, latents: 'RandomState', resolution: SIDE, format: 'TFRecord' } as SynthesisRun;

const picture = (index: number): Uint8Array => Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, at) => (index * 37 + at * 11) % 256);

async function processIn(folder: string, run: SynthesisRun = job, stop = { requested: false }) {
  const store = fileStore(folder);
  const shard = shardOf(run, BLOCK);
  const keeping = { store, run, generator, shard, journal: await openJournal(store, run.shard), side: SIDE };
  const files = await recordFiles(keeping);
  const warnings: string[] = [];
  const watch = { step: () => {}, stop, warn: (reason: string) => void warnings.push(reason) };
  const missing: number[] = [];
  for (let block = 0; block < shard.blocks; block++) {
    const taken = await files.takeUp(block, watch);
    missing.push(...shard.indexes(block).filter((index) => !taken.has(index)));
  }
  return {
    missing,
    warnings,
    draw: async (most = Infinity) => {
      await files.add(missing.slice(0, most).map((index) => ({ index, pixels: picture(index) })));
    },
    finish: async () => {
      if (!(await files.finish(watch))) return undefined;
      return finishManifest(keeping, BLOCK, recordPlace({ side: SIDE, shards: run.shards }));
    },
  };
}

test('TensorFlow reads every image of a shard at every resolution, as the original reads them, and NumPy its labels', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await processIn(folder);
  await first.draw();
  assert.notEqual(await first.finish(), undefined);
  assert.deepEqual(readdirSync(join(folder, 'dataset')), [
    'dataset.json',
    'synthetic-r02.tfrecords',
    'synthetic-r03.tfrecords',
    'synthetic-rxx.labels',
  ]);
  assert(!existsSync(join(folder, 'parts')), 'parts are left');
  const said = judge(t, READ, [join(folder, 'dataset')]);
  if (said === undefined) return;
  const { images, labels } = JSON.parse(said) as { images: number[][][]; labels: number[][] };
  assert.deepEqual(
    images[1],
    Array.from({ length: COUNT }, (_, index) => [...picture(index)]),
  );
  assert.equal(images[0]?.length, COUNT);
  assert.deepEqual(
    labels.slice(0, 4),
    [0, 1, 2, 0].map((label) => [0, 1, 2].map((each) => Number(each === label))),
  );
});

test('the dataset can be trained on, and says that it is synthetic and of what', async (t) => {
  const folder = await temporaryFolder(t);
  const { draw, finish } = await processIn(folder);
  await draw();
  await finish();
  const dataset = await openDataset(join(folder, 'dataset'));
  t.after(() => dataset.close());
  assert.deepEqual([dataset.images, dataset.resolution, dataset.channels, dataset.labelSize], [COUNT, SIDE, 3, 3]);
  assert.deepEqual(dataset.source, { kind: 'synthetic', trainedOn: 'phantom', checkpoint: 'c0ffee' });
});

test('the manifest says where each image is, with the digest of its record', async (t) => {
  const folder = await temporaryFolder(t);
  const shards = 2;
  for (const shard of [0, 1]) {
    const { draw, finish } = await processIn(folder, { ...job, shards, shard });
    await draw();
    await finish();
  }
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    readonly images: readonly { readonly index: number; readonly file: string; readonly record: number; readonly sha256: string }[];
  };
  assert.deepEqual(
    manifest.images.map(({ index, file, record }) => [index, file, record]),
    Array.from({ length: COUNT }, (_, index) => [index, `dataset-shard-000${index % 2}/synthetic-r03.tfrecords`, Math.floor(index / 2)]),
  );
  const size = recordBytes([3, SIDE, SIDE]);
  for (const { file, record, sha256 } of manifest.images) {
    const bytes = readFileSync(join(folder, file)).subarray(record * size, (record + 1) * size);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  }
});

test('a restart draws the parts that are missing or damaged, and the dataset is the same to the byte', async (t) => {
  const [whole, folder] = [await temporaryFolder(t), await temporaryFolder(t)];
  const undisturbed = await processIn(whole);
  await undisturbed.draw();
  const digest = (await undisturbed.finish())?.digest;
  await (await processIn(folder)).draw(9);
  const torn = join(folder, 'parts/shard-0000/000000.tfrecords');
  const bytes = readFileSync(torn);
  bytes[300]! ^= 1;
  writeFileSync(torn, bytes);
  const again = await processIn(folder);
  // Of the first part a bit has fallen over; image 8 was in a part that was not full.
  assert.deepEqual(again.missing, [0, 1, 2, 3, 8, 9]);
  assert.match(again.warnings.join('\n'), /parts\/shard-0000\/000000.tfrecords in .* does not hold image 1 as it was written/);
  await again.draw();
  assert.equal((await again.finish())?.digest, digest);
  for (const name of readdirSync(join(whole, 'dataset')))
    assert(readFileSync(join(folder, 'dataset', name)).equals(readFileSync(join(whole, 'dataset', name))), name);
});

test('a finished job draws nothing again, unless its dataset was changed', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await processIn(folder);
  await first.draw();
  const made = await first.finish();
  const second = await processIn(folder);
  assert.deepEqual(second.missing, []);
  assert.deepEqual(await second.finish(), made);
  writeFileSync(join(folder, 'dataset/synthetic-r03.tfrecords'), 'no records');
  assert.equal((await processIn(folder)).missing.length, COUNT);
});

test('a stop while the dataset is put together leaves the parts for the next process', async (t) => {
  const folder = await temporaryFolder(t);
  await (await processIn(folder)).draw();
  const stop = { requested: false };
  const stopped = await processIn(folder, job, stop);
  stop.requested = true;
  assert.equal(await stopped.finish(), undefined);
  assert(!existsSync(join(folder, 'dataset')));
  const next = await processIn(folder);
  assert.deepEqual(next.missing, []);
  assert.notEqual(await next.finish(), undefined);
});

test('a part takes memory of some 16 MiB, whatever the size of its images', () => {
  assert.deepEqual(
    (
      [
        [1, 4, 4],
        [1, 512, 512],
        [3, 1024, 1024],
      ] as const
    ).map((shape) => partImages(shape)),
    [500, 63, 5],
  );
});

/** As the original reads them: parse_single_example of shape and data; labels by numpy.load. */
const READ = `
import glob, json, numpy, sys
import tensorflow as tf
def image(record):
    features = tf.io.parse_single_example(record, {'shape': tf.io.FixedLenFeature([3], tf.int64), 'data': tf.io.FixedLenFeature([], tf.string)})
    return tf.reshape(tf.io.decode_raw(features['data'], tf.uint8), features['shape']).numpy().reshape(-1).tolist()
files = sorted(glob.glob(sys.argv[1] + '/*.tfrecords'))
images = [[image(record) for record in tf.data.TFRecordDataset(file)] for file in files]
labels = numpy.load(glob.glob(sys.argv[1] + '/*.labels')[0]).tolist()
print(json.dumps({'images': images, 'labels': labels}))
`;
