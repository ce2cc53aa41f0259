import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openDataset } from './dataset.ts';
import { encodeLabels, parseLabels } from './npy.ts';
import { createPhantoms } from './phantoms.ts';
import { temporaryFolder } from './test-folders.ts';
import { verifyDataset } from './verify.ts';
import { type DatasetPlan, writeDataset } from './write-dataset.ts';

const LABELS = { rows: 5, size: 2, values: Float32Array.from({ length: 10 }, (_, i) => i % 2) };
const PLAN: Omit<DatasetPlan, 'folder'> = {
  name: 'set',
  channels: 3,
  resolution: 16,
  images: 5,
  labels: LABELS,
  source: { kind: 'unknown' },
};
const pixel = (image: number, channel: number, y: number, x: number): number => (image * 50 + channel * 17 + y * 5 + x * 3) % 256;

/** A colour dataset of five images with labels. */
async function made(t: TestContext, plan: Partial<DatasetPlan> = {}): Promise<string> {
  const folder = join(await temporaryFolder(t), 'set');
  await writeDataset({ ...PLAN, folder, ...plan }, async (image) =>
    Uint8Array.from({ length: 3 * 256 }, (_, i) => pixel(image, Math.floor(i / 256), Math.floor(i / 16) % 16, i % 16)),
  );
  return folder;
}

test('images are read by number, channels last, with their labels, from a path or a file:// URI', async (t) => {
  const folder = await made(t);
  for (const where of [folder, pathToFileURL(folder).href]) {
    const dataset = await openDataset(where);
    t.after(() => dataset.close());
    const { name, images, channels, resolution, labelSize } = dataset;
    assert.deepEqual(
      { name, images, channels, resolution, labelSize },
      { name: 'set', images: 5, channels: 3, resolution: 16, labelSize: 2 },
    );
    assert.deepEqual(dataset.labels, LABELS.values);
    assert.deepEqual([...dataset.bytes.keys()], [4, 8, 16]);
    const batch = dataset.read(16, [3, 0]);
    assert.equal(batch.length, 2 * 256 * 3);
    const at = (image: number, y: number, x: number, channel: number): number => batch[((image * 16 + y) * 16 + x) * 3 + channel] ?? -1;
    assert.deepEqual([at(0, 2, 9, 1), at(1, 15, 0, 2), at(1, 7, 7, 0)], [pixel(3, 1, 2, 9), pixel(0, 2, 15, 0), pixel(0, 0, 7, 7)]);
    assert.throws(() => dataset.read(32, [0]), /has no images of 32x32/);
    assert.throws(() => dataset.read(16, [5]), RangeError);
  }
});

test('the digest stays when a dataset is moved, renamed or loses its description, and changes with any pixel or label', async (t) => {
  const folder = await made(t);
  const original = await digest(folder);
  const moved = join(dirname(folder), 'moved');
  await cp(folder, moved, { recursive: true });
  for (const name of await readdir(moved)) await rename(join(moved, name), join(moved, name.replace('set-', 'other-')));
  await rm(join(moved, 'dataset.json'));
  assert.equal(await digest(moved), original);
  assert.notEqual(await digest(await made(t, { labels: { ...LABELS, values: LABELS.values.map((value) => 1 - value) } })), original);
  assert.notEqual(await digest(await made(t, { images: 4, labels: { rows: 4, size: 2, values: LABELS.values.subarray(2) } })), original);
});

// What may be wrong with a folder: how to make it so, and the message.
const DAMAGES: readonly (readonly [what: string, damage: (folder: string) => Promise<unknown>, message: RegExp])[] = [
  [
    'no records',
    (folder) => Promise.all(['02', '03', '04'].map((r) => rm(join(folder, `set-r${r}.tfrecords`)))),
    /holds no \*\.tfrecords file/,
  ],
  ['a missing resolution', (folder) => rm(join(folder, 'set-r03.tfrecords')), /lacks set-r03\.tfrecords/],
  ['two datasets', (folder) => cp(join(folder, 'set-r04.tfrecords'), join(folder, 'b-r04.tfrecords')), /several datasets: b, set/],
  [
    'a foreign name',
    (folder) => rename(join(folder, 'set-r04.tfrecords'), join(folder, 'train.tfrecords')),
    /train\.tfrecords, which is not called <name>-r/,
  ],
  [
    'a wrong resolution',
    (folder) => rename(join(folder, 'set-r04.tfrecords'), join(folder, 'set-r02.tfrecords')),
    /images of shape \[3, 16, 16\], but its name promises \[1 or 3, 4, 4\]/,
  ],
  [
    'fewer images',
    (folder) => truncate(join(folder, 'set-r02.tfrecords'), 98 * 4),
    /set-r02\.tfrecords holds 4 images .* set-r03\.tfrecords holds 5 images/,
  ],
  [
    'a cut file',
    (folder) => truncate(join(folder, 'set-r04.tfrecords'), 823 * 3 + 100),
    /set-r04\.tfrecords, offset 2469: the file is cut short: 100 of the record's 823 bytes/,
  ],
  [
    'fewer labels',
    (folder) => writeFile(join(folder, 'set-rxx.labels'), encodeLabels({ rows: 1, size: 2, values: new Float32Array(2) })),
    /labels 1 images, but the dataset has 5/,
  ],
  ['foreign labels', (folder) => writeFile(join(folder, 'set-rxx.labels'), 'a,b,c,d,e,f,g'), /set-rxx\.labels: not a NumPy/],
  [
    'a torn description',
    (folder) => writeFile(join(folder, 'dataset.json'), '{"format":'),
    /dataset\.json is not a description of a dataset/,
  ],
];

for (const [what, damage, message] of DAMAGES) {
  test(`a dataset folder is refused with ${what}`, async (t) => {
    const folder = await made(t);
    await damage(folder);
    await assert.rejects(openDataset(folder), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'DatasetInvalid');
      assert.match(error.message, message);
      return true;
    });
  });
}

test('an absent folder is a matter of the store, another scheme and a file are not', async (t) => {
  await assert.rejects(openDataset('/nowhere/at/all'), {
    code: 'StoreUnavailable',
    message: /cannot open dataset \/nowhere\/at\/all: the folder is not there/,
  });
  await assert.rejects(openDataset('pvc://claim/set'), { code: 'DatasetInvalid', message: /no dataset that can be opened here/ });
  await assert.rejects(openDataset(join(await made(t), 'set-r02.tfrecords')), {
    code: 'DatasetInvalid',
    message: /is a file: name the folder/,
  });
});

test('verify finds a flipped byte, a swapped image and a file that the description does not know', async (t) => {
  assert.equal((await verifyDataset(await made(t))).images, 5);
  const corrupted = await made(t);
  const file = join(corrupted, 'set-r03.tfrecords');
  const bytes = await readFile(file);
  bytes[300] = (bytes[300] ?? 0) ^ 1;
  await writeFile(file, bytes);
  await assert.rejects(verifyDataset(corrupted), /set-r03\.tfrecords is not the file that dataset\.json describes/);
  await rm(join(corrupted, 'dataset.json'));
  await assert.rejects(verifyDataset(corrupted), /set-r03\.tfrecords, offset 247: the record fails its checksum/);
  const swapped = await made(t);
  await rm(join(swapped, 'dataset.json'));
  const records = await readFile(join(swapped, 'set-r02.tfrecords'));
  await writeFile(
    join(swapped, 'set-r02.tfrecords'),
    Buffer.concat([records.subarray(98, 196), records.subarray(0, 98), records.subarray(196)]),
  );
  await assert.rejects(verifyDataset(swapped), /image 0 at 4x4 is not the reduced image of 16x16/);
});

test('labels of every number type are read; other arrays are refused', () => {
  const doubles = Buffer.alloc(32);
  [1, 0, 0.5, 2].forEach((value, i) => doubles.writeDoubleLE(value, i * 8));
  assert.deepEqual([...parseLabels('f', npy('<f8', '(2, 2)', doubles)).values], [1, 0, 0.5, 2]);
  assert.deepEqual([...parseLabels('f', npy('|u1', '(2, 2)', Buffer.from([1, 0, 7, 255]))).values], [1, 0, 7, 255]);
  assert.deepEqual([...parseLabels('f', npy('<i8', '(1, 1)', Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]))).values], [3]);
  assert.throws(() => parseLabels('f', npy('<c16', '(1, 1)', doubles)), /type '<c16' cannot be read/);
  assert.throws(() => parseLabels('f', npy('<f8', '(4,)', doubles)), /two-dimensional/);
  assert.throws(() => parseLabels('f', npy('<f8', '(2, 2)', doubles, 'True')), /column by column/);
  assert.throws(() => parseLabels('f', npy('<f8', '(3, 2)', doubles)), /the file is damaged/);
  doubles.writeDoubleLE(Number.NaN, 24);
  assert.throws(() => parseLabels('f', npy('<f8', '(2, 2)', doubles)), /row 1 holds a value that is not finite/);
});

test('a writer that fails leaves neither a dataset nor anything else', async (t) => {
  const root = await temporaryFolder(t);
  const failing = writeDataset({ ...PLAN, folder: join(root, 'set') }, async (image) => {
    if (image === 3) throw new Error('the disk caught fire');
    return new Uint8Array(768);
  });
  await assert.rejects(failing, /the disk caught fire/);
  assert.deepEqual(await readdir(root), []);
});

test('a dataset that does not fit on its disk is refused before a byte is written', async (t) => {
  const root = await temporaryFolder(t);
  const huge = { ...PLAN, folder: join(root, 'set'), resolution: 1024, images: 10 ** 9 };
  await assert.rejects(
    writeDataset(huge, async () => new Uint8Array()),
    { code: 'StoreFull', message: /would take \d+ bytes, but its disk has \d+ left/ },
  );
  assert.deepEqual(await readdir(root), []);
});

test('a killed writer leaves no dataset, and the next one clears away what it left; a living writer is left alone', async (t) => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'set');
  const program = `
    import { writeDataset } from ${JSON.stringify(resolve(import.meta.dirname, 'write-dataset.ts'))};
    const plan = { folder: ${JSON.stringify(folder)}, channels: 1, resolution: 16, images: 100, source: { kind: 'unknown' } };
    await writeDataset(plan, (image) => {
      if (image < 50) return Promise.resolve(new Uint8Array(256));
      process.stdout.write('half way');
      return new Promise(() => setInterval(() => {}, 1000));
    });`;
  const writer = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => writer.kill('SIGKILL'));
  await once(writer.stdout, 'data');
  const [unfinished = '', ...others] = await readdir(root);
  assert.match(unfinished, /^\.set\..*\.unfinished$/);
  assert.deepEqual(others, []);
  const phantoms = { count: 3, resolution: 8, seed: 1 };
  await createPhantoms({ ...phantoms, folder });
  assert.deepEqual((await readdir(root)).sort(), [unfinished, 'set'].sort(), 'the writer still lives');
  await rm(folder, { recursive: true });
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  assert.deepEqual(await readdir(root), [unfinished]);
  await createPhantoms({ ...phantoms, folder });
  assert.deepEqual(await readdir(root), ['set']);
  await mkdir(join(root, 'other'));
  await assert.rejects(createPhantoms({ ...phantoms, folder: join(root, 'other') }), { code: 'DatasetExists' });
});

async function digest(folder: string): Promise<string> {
  const dataset = await openDataset(folder);
  dataset.close();
  return dataset.digest;
}

/** The bytes of an .npy file. */
function npy(descr: string, shape: string, data: Buffer, order = 'False'): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), data]);
}
