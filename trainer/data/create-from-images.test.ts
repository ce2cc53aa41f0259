import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { shared } from '../../test/harness/shared.ts';
import { type CreateFromImages, createFromImages, type ImagesPlan } from './create-from-images.ts';
import { openDataset } from './dataset.ts';
import { temporaryFolder } from './test-folders.ts';
import { animated, testJpeg, testPng, writeFiles } from './test-pictures.ts';
import { verifyDataset } from './verify.ts';

type Files = Readonly<Record<string, Uint8Array | string>>;

/** Makes a dataset of these files; the error's message, or undefined, and what stands beside the dataset afterwards. */
async function attempt(
  t: Parameters<typeof temporaryFolder>[0],
  files: Files,
  options: Partial<CreateFromImages> = {},
): Promise<{
  readonly code: string | undefined;
  readonly message: string;
  readonly left: readonly string[];
  readonly images: string;
  readonly out: string;
}> {
  const root = await temporaryFolder(t);
  const images = join(root, 'images');
  await mkdir(images);
  await writeFiles(images, files);
  const out = join(root, 'made', 'set');
  await mkdir(join(root, 'made'));
  const error = await createFromImages({ folder: out, imageDir: images, ...options }).then(
    () => undefined,
    (error: Error & { code?: string }) => error,
  );
  return { code: error?.code, message: error?.message ?? '', left: await readdir(join(root, 'made')), images, out };
}

const good = testPng(16, 16);
const jpeg = await testJpeg(64);

// Each kind of offending file beside a good grey 16x16 image, and the reason that is given for it.
const OFFENDERS: readonly (readonly [kind: string, name: string, content: Uint8Array | string, reason: RegExp])[] = [
  ['text', 'z.txt', 'labels,1,2\n', /z\.txt is not an image \(neither PNG nor JPEG\)/],
  ['empty', 'z.png', '', /z\.png is empty/],
  ['truncated PNG', 'z.png', good.subarray(0, good.length / 2), /z\.png is damaged or truncated/],
  ['truncated JPEG', 'z.jpg', jpeg.subarray(0, jpeg.length - 200), /z\.jpg is damaged or truncated/],
  ['PNG header alone', 'z.png', good.subarray(0, 20), /z\.png is damaged or truncated/],
  ['not square', 'z.png', testPng(16, 8), /z\.png is 16x8, not square: crop it, or use --resize/],
  ['not a power of two', 'z.png', testPng(24, 24), /z\.png is 24x24, not a power of two: use --resize 16/],
  ['too small', 'z.png', testPng(2, 2), /z\.png is 2x2, too small: the smallest size is 4x4/],
  ['too large', 'z.png', testPng(2048, 2048), /z\.png is 2048x2048, too large: the largest size is 1024x1024/],
  ['another size', 'z.png', testPng(32, 32), /z\.png is 32x32, but .*a\.png is 16x16: use --resize/],
  ['colour among grey', 'z.png', testPng(16, 16, { channels: 3 }), /z\.png is RGB, but .*a\.png is grey: use --grayscale/],
  ['grey with transparency', 'z.png', testPng(16, 16, { channels: 2, alpha: 128 }), /z\.png has transparent pixels/],
  ['colour with transparency', 'z.png', testPng(16, 16, { channels: 4, alpha: 0 }), /z\.png has transparent pixels/],
  ['animation', 'z.png', animated(good), /z\.png is an animated PNG/],
  ['CMYK', 'z.jpg', await testJpeg(16, { cmyk: true }), /z\.jpg has CMYK colours/],
  ['12 bits in 16', 'z.png', testPng(16, 16, { depth: 16, below: 4096 }), /z\.png has 16 bits per value but none above \d+/],
  ['GIF', 'z.gif', Buffer.from('GIF89a........'), /z\.gif is a GIF: save it as PNG or JPEG/],
  ['DICOM', 'z.dcm', Buffer.concat([Buffer.alloc(128), Buffer.from('DICM....')]), /z\.dcm is a DICOM file/],
];

for (const [kind, name, content, reason] of OFFENDERS) {
  test(`an offending file is named with its reason and nothing is written: ${kind}`, async (t) => {
    const { code, message, left } = await attempt(t, { 'a.png': good, [name]: content });
    assert.equal(code, 'ImagesInvalid');
    assert.match(message, /^1 of 2 files cannot be used; nothing was written:\n/);
    assert.match(message, reason);
    assert.deepEqual(left, []);
  });
}

test('all offending files are listed at once', async (t) => {
  const offenders = Object.fromEntries(OFFENDERS.map(([, name, content], i) => [`m${i}-${name}`, content]));
  const { message, left } = await attempt(t, { 'a.png': good, ...offenders });
  assert.match(message, new RegExp(`^${OFFENDERS.length} of ${OFFENDERS.length + 1} files cannot be used`));
  for (const [i, [, name]] of OFFENDERS.entries()) assert.ok(message.includes(`m${i}-${name} `), `${name} is missing from:\n${message}`);
  assert.deepEqual(left, []);
});

test('a folder that is absent, a file, or without images is refused, and what was passed over is said', async (t) => {
  const empty = await attempt(t, {});
  assert.match(empty.message, /images holds no images$/);
  const hidden = await attempt(t, { '.DS_Store': 'x' });
  assert.match(hidden.message, /holds no images \(\.DS_Store: folders within it and hidden files are passed over\)/);
  const absent = await attempt(t, {}, { imageDir: '/nowhere/at/all' });
  assert.deepEqual([absent.code, absent.message], ['ImagesInvalid', '/nowhere/at/all: there is no such folder']);
  const file = await attempt(t, {}, { imageDir: import.meta.filename });
  assert.match(file.message, /is a file, not a folder of images/);
});

test('a dangling link is an unreadable file', async (t) => {
  const root = await temporaryFolder(t);
  await writeFiles(root, { 'a.png': good });
  await symlink(join(root, 'gone.png'), join(root, 'b.png'));
  await assert.rejects(createFromImages({ folder: join(root, 'out'), imageDir: root }), /b\.png cannot be read \(ENOENT\)/);
});

test('an existing target, a wrong --resize and an image smaller than it are refused before anything is read or written', async (t) => {
  const existing = await attempt(t, { 'a.png': good }, { folder: '/tmp' });
  assert.equal(existing.code, 'DatasetExists');
  const odd = await attempt(t, { 'a.png': good }, { resize: 24 });
  assert.deepEqual([odd.code, odd.message], ['UsageInvalid', '--resize 24: must be a power of two from 4 to 1024']);
  const small = await attempt(t, { 'a.png': good }, { resize: 32 });
  assert.match(small.message, /a\.png is 16x16, smaller than --resize 32/);
});

test('a target that cannot be made leaves an error that names it', async (t) => {
  const root = await temporaryFolder(t);
  await writeFiles(root, { 'a.png': good });
  const folder = join(root, 'a.png', 'out');
  await assert.rejects(
    createFromImages({ folder, imageDir: root }),
    (error: Error & { code?: string }) => error.code === 'StoreUnavailable' && error.message.includes(folder),
  );
});

test('images come in file-name order without shuffling, in the reference order with it; folders within are passed over', async (t) => {
  const names = Array.from({ length: 10 }, (_, i) => `${i}.png`);
  const files = Object.fromEntries(await Promise.all(names.map(async (name, i) => [name, await flat(i)] as const)));
  const firstPixels = async (shuffle: boolean): Promise<readonly number[]> => {
    let plan: ImagesPlan | undefined;
    const { out, message } = await attempt(t, files, { shuffle, onPlan: (seen) => (plan = seen) });
    assert.equal(message, '');
    assert.deepEqual({ images: plan?.images, bytes: plan?.bytes }, { images: 10, bytes: 660 });
    const dataset = await openDataset(out);
    t.after(() => dataset.close());
    return Array.from({ length: 10 }, (_, i) => dataset.read(4, [i])[0] ?? -1);
  };
  assert.deepEqual(await firstPixels(false), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(await firstPixels(true), [4, 0, 7, 5, 8, 3, 1, 6, 9, 2]);
});

test('an opaque alpha channel, 16 bits, RGB with --grayscale and a rotated JPEG are used as they are meant', async (t) => {
  const wide = testPng(16, 16, { depth: 16 });
  const turned = await testJpeg(16, { channels: 1, orientation: 6 });
  const files = { 'a.png': testPng(16, 16, { channels: 4 }), 'b.png': wide, 'c.jpg': turned, 'd.jpg': await testJpeg(16) };
  const { out, message } = await attempt(t, files, { grayscale: true, shuffle: false });
  assert.equal(message, '');
  const dataset = await openDataset(out);
  t.after(() => dataset.close());
  assert.deepEqual({ images: dataset.images, channels: dataset.channels }, { images: 4, channels: 1 });
  assert.deepEqual(
    [...dataset.read(16, [1])],
    Array.from({ length: 256 }, (_, i) => Math.round(((i * 7919 + 16 * 13) % 65536) / 257)),
  );
  const upright = [...dataset.read(16, [2])];
  // The ramp was dark above and bright below; turned by a quarter clockwise it is bright on the left.
  assert.ok((upright[0] ?? 0) > (upright[15] ?? 0) + 200 && Math.abs((upright[0] ?? 0) - (upright[240] ?? 0)) < 30);
});

test('the NORMAL radiographs at 32x32 are, byte for byte, the images on which the reference was measured', async (t) => {
  const imageDir = shared(t, 'data/pneumonia-cxr/train/NORMAL');
  if (imageDir === undefined) return;
  const folder = join(await temporaryFolder(t), 'normal');
  await createFromImages({ folder, imageDir, resize: 32, grayscale: true, shuffle: false });
  const dataset = await openDataset(folder);
  t.after(() => dataset.close());
  const pixels = dataset.read(
    32,
    Array.from({ length: dataset.images }, (_, i) => i),
  );
  assert.equal(dataset.images, 1341);
  assert.equal(createHash('sha256').update(pixels).digest('hex').slice(0, 16), '4aab5b876b2c656d');
  assert.equal((await verifyDataset(folder)).source.kind, 'images');
});

/** A grey 4x4 PNG of one value. */
function flat(value: number): Promise<Buffer> {
  const raw = { width: 4, height: 4, channels: 1 } as const;
  return sharp(new Uint8Array(16).fill(value), { raw }).toColourspace('b-w').png().toBuffer();
}
