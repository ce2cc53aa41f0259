import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decode } from 'fast-png';
import sharp from 'sharp';
import { judge } from '../../test/harness/judge.ts';
import { gridPng, gridSize, type ImageBatch, toBytes } from './grid.ts';

/** Images whose pixels are all their own index. */
function flat(count: number, side: number, channels: number): ImageBatch {
  const size = side * side * channels;
  return { data: new Uint8Array(count * size).map((_, at) => Math.floor(at / size) + 1), shape: [count, side, side, channels] };
}

test('the layout is the reference’s 1080p one, and can be capped', () => {
  assert.deepEqual(gridSize(512), { columns: 3, rows: 2 });
  assert.deepEqual(gridSize(1024), { columns: 3, rows: 2 });
  assert.deepEqual(gridSize(256), { columns: 7, rows: 4 });
  assert.deepEqual(gridSize(128), { columns: 15, rows: 8 });
  assert.deepEqual(gridSize(64), { columns: 30, rows: 16 });
  assert.deepEqual(gridSize(32), { columns: 32, rows: 32 });
  assert.deepEqual(gridSize(32, { columns: 16, rows: 9 }), { columns: 16, rows: 9 });
});

test('[-1, 1] becomes 0..255 as NumPy computes it in float32: rounded half to even, clipped', (t) => {
  const values = fc.sample(fc.oneof(fc.float({ min: -1.5, max: 1.5, noNaN: true }), fc.constantFrom(-1, 0, 1, -2, 2, 1 / 255, -1 / 255)), {
    numRuns: 5000,
    seed: 2,
  });
  const halves = Array.from({ length: 256 }, (_, byte) => Math.fround((byte + 0.5 - 127.5) / 127.5));
  const floats = new Float32Array([...values, ...halves]);
  const out = judge(
    t,
    `
import json, sys
import numpy as np
x = np.array(json.loads(sys.argv[1]), dtype=np.float32)
print(json.dumps(np.rint(x * np.float32(127.5) + np.float32(127.5)).clip(0, 255).astype(np.uint8).tolist()))
`,
    [JSON.stringify([...floats])],
  );
  if (out !== undefined) assert.deepEqual([...toBytes(floats)], JSON.parse(out));
});

test('what is no number is black, not noise', () => {
  assert.deepEqual([...toBytes(new Float32Array([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]))], [0, 255, 0]);
});

test('images are laid out row by row, enlarged by repeating pixels, and cells without one are black', () => {
  const png = decode(gridPng(flat(3, 2, 1), { columns: 2, rows: 2, resolution: 4 }));
  assert.deepEqual([png.width, png.height, png.channels, png.depth], [8, 8, 1, 8]);
  const at = (x: number, y: number) => png.data[y * 8 + x];
  assert.deepEqual([at(0, 0), at(3, 3), at(4, 0), at(7, 3), at(0, 4), at(3, 7), at(4, 4)], [1, 1, 2, 2, 3, 3, 0]);
});

test('the picture of float images has the values that they have, pixel by pixel, in grey and in colour', () => {
  const channels = fc.constantFrom(1 as const, 3 as const);
  fc.assert(
    fc.property(
      channels,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      (channels, side, columns, rows) => {
        const count = columns * rows;
        const data = new Float32Array(count * side * side * channels).map((_, at) => Math.sin(at));
        const png = decode(gridPng({ data, shape: [count, side, side, channels] }, { columns, rows }));
        const bytes = toBytes(data);
        for (let at = 0; at < bytes.length; at++) {
          const pixel = Math.floor(at / channels);
          const image = Math.floor(pixel / (side * side));
          const x = (image % columns) * side + (pixel % side);
          const y = Math.floor(image / columns) * side + Math.floor((pixel % (side * side)) / side);
          assert.equal(png.data[(y * columns * side + x) * channels + (at % channels)], bytes[at]);
        }
      },
    ),
  );
});

test('the text says what the picture is, and other software sees a grey picture of the same size', async () => {
  const png = gridPng(flat(1, 4, 1), { columns: 1, rows: 1, text: { Description: 'synthetic', Software: 'pggan-operator' } });
  assert.deepEqual({ ...decode(png).text }, { Description: 'synthetic', Software: 'pggan-operator' });
  const { width, height, channels, comments } = await sharp(png).metadata();
  assert.deepEqual([width, height, channels], [4, 4, 1]);
  assert.ok(
    comments?.some(({ keyword, text }) => keyword.endsWith('Description') && text === 'synthetic'),
    JSON.stringify(comments),
  );
});

test('text beyond Latin-1 becomes question marks, and a keyword that is none is a programming error', () => {
  const text = { Title: 'Lunge für Übung 肺 🫁' };
  assert.equal(decode(gridPng(flat(1, 4, 1), { columns: 1, rows: 1, text }), { checkCrc: true }).text['Title'], 'Lunge für Übung ? ?');
  for (const keyword of ['', ' x', 'ä', 'x'.repeat(80)]) {
    assert.throws(() => gridPng(flat(1, 4, 1), { columns: 1, rows: 1, text: { [keyword]: 'x' } }), RangeError);
  }
});

test('shapes that do not fit are programming errors', () => {
  assert.throws(() => gridPng({ data: new Uint8Array(3), shape: [1, 2, 2, 1] }, { columns: 1, rows: 1 }), RangeError);
  assert.throws(() => gridPng(flat(1, 4, 1), { columns: 1, rows: 1, resolution: 6 }), RangeError);
  assert.throws(() => gridPng({ data: new Uint8Array(8), shape: [1, 2, 2, 2] }, { columns: 1, rows: 1 }), RangeError);
});
