import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { judge } from '../../test/harness/judge.ts';
import { shared } from '../../test/harness/shared.ts';
import { crc32c } from './crc32c.ts';
import { parseExample } from './example.ts';
import { parseLabels } from './npy.ts';
import { temporaryFolder } from './test-folders.ts';
import { openRecords, recordBytes, recordEncoder } from './tfrecord.ts';
import { writeDataset } from './write-dataset.ts';

test('CRC32C gives the published check values', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  // RFC 3720, appendix B.4.
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

test('a grey record takes 66 bytes at 4x4 and 262,206 at 512x512, as the reference lists', () => {
  const sizes = [4, 8, 16, 32, 64, 128, 256, 512].map((size) => recordBytes([1, size, size]));
  assert.deepEqual(sizes, [66, 114, 311, 1079, 4151, 16446, 65598, 262206]);
  assert.deepEqual(
    [4, 8, 16, 32].map((size) => recordBytes([3, size, size])),
    [98, 247, 823, 3127],
    'the listing of CIFAR-10',
  );
});

test('the dataset tiny16 is written byte for byte as the original exporter writes it', async (t) => {
  const golden = shared(t, 'golden/tiny16.json');
  if (golden === undefined) return;
  const expected = JSON.parse(await readFile(golden, 'utf8')) as { readonly files: Record<string, { bytes: number; sha256: string }> };
  const npy = await readFile(join(golden, '../tiny16_images.npy'));
  const pixels = npy.subarray(npy.length - 8 * 256);
  const labelFile = join(golden, '../tiny16/tiny16-rxx.labels');
  const labels = parseLabels(labelFile, await readFile(labelFile));
  const folder = join(await temporaryFolder(t), 'tiny16');
  const source = { kind: 'images', grayscale: false, shuffled: false } as const;
  const image = async (i: number): Promise<Uint8Array> => pixels.subarray(i * 256, (i + 1) * 256);
  await writeDataset({ folder, channels: 1, resolution: 16, images: 8, labels, source }, image);
  for (const [name, { bytes, sha256 }] of Object.entries(expected.files)) {
    const written = await readFile(join(folder, name));
    assert.deepEqual({ name, bytes: written.length, sha256: createHash('sha256').update(written).digest('hex') }, { name, bytes, sha256 });
  }
});

test('TensorFlow reads the records of grey and colour images, and we read TensorFlow’s own', async (t) => {
  const folder = await temporaryFolder(t);
  for (const channels of [1, 3]) {
    const encode = recordEncoder([channels, 8, 8]);
    await writeFile(join(folder, `ours-${channels}`), Buffer.concat([0, 1, 2].map((seed) => encode(image(channels, seed)))));
  }
  const answer = judge(
    t,
    `
import json, os, sys
import tensorflow as tf
folder, out = sys.argv[1], {}
features = {'shape': tf.io.FixedLenFeature([3], tf.int64), 'data': tf.io.FixedLenFeature([], tf.string)}
for name in ('ours-1', 'ours-3'):
    path = os.path.join(folder, name)
    parsed = [tf.io.parse_single_example(r, features) for r in tf.data.TFRecordDataset(path)]
    out[name] = [{'shape': p['shape'].numpy().tolist(), 'data': list(p['data'].numpy())} for p in parsed]
    with tf.io.TFRecordWriter(os.path.join(folder, name.replace('ours', 'theirs'))) as writer:
        for p in parsed:
            writer.write(tf.train.Example(features=tf.train.Features(feature={
                'shape': tf.train.Feature(int64_list=tf.train.Int64List(value=p['shape'].numpy())),
                'data': tf.train.Feature(bytes_list=tf.train.BytesList(value=[p['data'].numpy()]))})).SerializeToString())
print(json.dumps(out))
`,
    [folder],
  );
  if (answer === undefined) return;
  const read = JSON.parse(answer) as Record<string, { shape: number[]; data: number[] }[]>;
  for (const channels of [1, 3]) {
    const images = [0, 1, 2].map((seed) => [...image(channels, seed)]);
    assert.deepEqual(
      read[`ours-${channels}`],
      images.map((data) => ({ shape: [channels, 8, 8], data })),
    );
    const theirs = openRecords(join(folder, `theirs-${channels}`));
    t.after(() => theirs.close());
    assert.deepEqual({ records: theirs.records, shape: theirs.shape }, { records: 3, shape: [channels, 8, 8] });
    assert.deepEqual(
      [2, 0, 1].map((i) => [...theirs.read(i)]),
      [images[2], images[0], images[1]],
    );
  }
});

test('a damaged or foreign record file is refused with its name, the offset and what is wrong', async (t) => {
  const folder = await temporaryFolder(t);
  const encode = recordEncoder([1, 4, 4]);
  const record = encode(new Uint8Array(16).fill(7));
  const three = Buffer.concat([record, record, record]);
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(three);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['empty', Buffer.alloc(0), /offset 0: the file is empty/],
    ['short', three.subarray(0, 7), /offset 0: the file ends within the first record/],
    ['foreign', Buffer.from('PK this is a zip file of some length'), /offset 0: the length that should stand here fails its checksum/],
    ['cut', three.subarray(0, 2 * 66 + 40), /offset 132: the file is cut short: 40 of the record's 66 bytes/],
    ['pixel', flipped(66 + 40), /offset 66: the record fails its checksum/],
    ['length', flipped(66), /offset 66: the length that should stand here fails its checksum/],
    [
      'mixed',
      Buffer.concat([record, recordEncoder([1, 8, 8])(new Uint8Array(64))]),
      /offset 66: this record has 98 bytes, the first one 50/,
    ],
    [
      'shapes',
      Buffer.concat([record, recordEncoder([1, 2, 8])(new Uint8Array(16))]),
      /offset 66: an image of shape \[1, 2, 8\] among images of \[1, 4, 4\]/,
    ],
  ];
  for (const [name, bytes, message] of cases) {
    const file = join(folder, name);
    await writeFile(file, bytes);
    const readAll = (): void => {
      const records = openRecords(file);
      try {
        for (let i = 0; i < records.records; i++) records.read(i);
      } finally {
        records.close();
      }
    };
    assert.throws(
      readAll,
      (error: Error & { code?: string }) =>
        error.code === 'DatasetInvalid' && error.message.startsWith(file) && message.test(error.message),
      name,
    );
  }
});

test('no bytes make the Example parser do anything but parse or throw an Error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        assert.equal(parseExample(bytes).shape.length, 3);
      } catch (error) {
        assert.ok(error instanceof Error && error.name === 'Error', String(error));
      }
    }),
  );
});

function image(channels: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: channels * 64 }, (_, i) => (i * 37 + seed * 11) % 256);
}
