import assert from 'node:assert/strict';
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { resolveSchedule } from '../../crds/resolve.ts';
import { type Dataset, openDataset } from '../data/dataset.ts';
import { writeDataset } from '../data/write-dataset.ts';
import { type FeedStream, openFeedStream } from './feed-stream.ts';
import type { FeedWorkerInput } from './feed-worker.ts';
import { discriminatorFeeds, generatorFeeds } from './feeds.ts';
import { pairsFrom, type PairStart } from './pairs.ts';
import { createRandom } from './random.ts';

const IMAGES = 50;
const CLASSES = 2;
const PLAN = {
  seed: 5,
  totalKimg: 2,
  schedule: resolveSchedule({
    resolution: 8,
    precision: 'Float32',
    schedule: { trainKimg: 0, transitionKimg: 1, minibatchRepeats: 3, minibatches: [{ resolution: 8, minibatch: 12 }] },
  }),
};
const OPTIONS = { mirrorAugment: true, shape: { latentSize: 7 } };

let root: string;
let dataset: Dataset;
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'pggan-feeds-'));
  dataset = await openDataset(await labelled('good'));
});
after(() => {
  dataset.close();
  rmSync(root, { recursive: true });
});

async function labelled(name: string): Promise<string> {
  const folder = join(root, name);
  const values = Float32Array.from({ length: IMAGES * CLASSES }, (_, i) => i / 7);
  await writeDataset(
    { folder, channels: 1, resolution: 8, images: IMAGES, labels: { rows: IMAGES, size: CLASSES, values }, source: { kind: 'unknown' } },
    async (index) => Uint8Array.from({ length: 64 }, (_, pixel) => (index * 31 + pixel) % 256),
  );
  return folder;
}

function input(start: PairStart, { files, images, channels, labels, labelSize } = dataset): FeedWorkerInput {
  return {
    plan: PLAN,
    resolution: 8,
    start,
    options: OPTIONS,
    dataset: { images, channels, labelSize, ...(labels ? { labels } : {}) },
    files,
  };
}

/** Closed with the test, whatever becomes of it: its thread would keep the process. */
function open(t: TestContext, of: FeedWorkerInput): FeedStream {
  const stream = openFeedStream(of);
  t.after(() => stream.close());
  return stream;
}

/** The phase of 8x8 begins after one outer iteration at 4x4, with 16 images a pair. */
const START = { images: 48, imagesAtIterationStart: 48, repeatIndex: 0 };

test('every pair of a phase is fed what it would be fed without a thread: across epochs, outer iterations and the end of a fade', async (t) => {
  const stream = open(t, input(START));
  const random = createRandom(PLAN.seed);
  const source = { options: OPTIONS, dataset, random };
  const pairs = [...pairsFrom(PLAN, 8, START)];
  assert.ok(pairs.some(({ moment }) => moment.lod > 0));
  assert.deepEqual([pairs.at(-1)?.moment.lod, pairs.length], [0, 165], '55 outer iterations of 36 images from 48 on pass 2,000');
  for (const { images, moment } of pairs) {
    const { discriminator, generator } = await stream.next(images);
    assert.equal(
      Object.keys(discriminator).length,
      moment.lod > 0 && moment.lod < 1 ? 6 : 5,
      'reals, latents, mixing, mirror, labels; fade',
    );
    assert.deepEqual(discriminator, discriminatorFeeds(source, moment, images));
    assert.deepEqual(generator, generatorFeeds(source, moment, images));
  }
});

test('a run that goes on within an outer iteration is fed as if it had never stopped', async (t) => {
  const [, , third, fourth] = [...pairsFrom(PLAN, 8, START)];
  assert.ok(third && fourth);
  const whole = open(t, input(START));
  for (const images of [48, 60]) await whole.next(images);
  const stream = open(t, input({ images: third.images, imagesAtIterationStart: 48, repeatIndex: 2 }));
  for (const { images } of [third, fourth]) assert.deepEqual(await stream.next(images), await whole.next(images));
});

test('an image that cannot be read ends the pair that shows it with file and offset, and no pair before it', async (t) => {
  const damaged = await openDataset(await labelled('damaged'));
  const file = damaged.files.get(8) ?? assert.fail('no file');
  const shown = createRandom(PLAN.seed).permutation('data', 1, IMAGES);
  const size = (damaged.bytes.get(8) ?? 0) / IMAGES;
  writeSync(openSync(file, 'r+'), Buffer.from([1, 2, 3]), 0, 3, (shown[61 % IMAGES] ?? 0) * size + 30);
  const stream = open(t, input(START, damaged));
  await stream.next(48);
  await assert.rejects(
    stream.next(60),
    (error) =>
      error instanceof PgganError &&
      error.code === 'DatasetInvalid' &&
      /damaged-r03\.tfrecords, offset \d+: the record fails its checksum/.test(error.message),
  );
  damaged.close();
});

test('a stream that is asked for other images than come next says so instead of feeding the wrong ones', async (t) => {
  const stream = open(t, input(START));
  await assert.rejects(stream.next(60), /after 48 images came where 60 were shown/);
});

test('a stream that was closed leaves nobody waiting', async (t) => {
  const stream = open(t, input(START));
  await stream.close();
  for (const images of [48, 60, 72]) await assert.rejects(stream.next(images), /has ended/);
});
