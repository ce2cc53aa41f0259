import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from 'fast-png';
import { type GrowthColumn, growthPng } from './growth.ts';

/** Images whose pixels are all 10 times their own place, from 1. */
function flat(count: number, side: number, channels: number): GrowthColumn['images'] {
  const size = side * side * channels;
  return { data: new Uint8Array(count * size).map((_, at) => 10 * (Math.floor(at / size) + 1)), shape: [count, side, side, channels] };
}

/** Areas of one value, as [left, top, width, height], where they are squares of `side` pixels. */
function squares(png: ReturnType<typeof decode>, value: number, side: number): readonly (readonly [number, number])[] {
  const is = (x: number, y: number): boolean => png.data[(y * png.width + x) * png.channels] === value;
  const found: [number, number][] = [];
  for (let y = 0; y < png.height - side; y++) {
    for (let x = 0; x < png.width - side; x++) {
      if (is(x, y) && !is(x - 1, y) && !is(x, y - 1) && is(x + side - 1, y + side - 1) && !is(x + side, y) && !is(x, y + side))
        found.push([x, y]);
    }
  }
  return found;
}

for (const channels of [1, 3]) {
  test(`the growth figure has a column per resolution and the same rows in each, with every pixel’s value: ${channels} channels`, async () => {
    const columns = [4, 8, 128, 256].map((resolution) => ({ resolution, images: flat(3, resolution, channels) }));
    const png = decode(await growthPng(columns, { side: 128, rows: 2, text: { Description: 'synthetic' } }));
    assert.equal(png.channels, channels);
    assert.deepEqual({ ...png.text }, { Description: 'synthetic' });
    const first = squares(png, 10, 128);
    const second = squares(png, 20, 128);
    const lefts = first.map(([x]) => x);
    assert.deepEqual(
      lefts.map((x) => x - (lefts[0] ?? 0)),
      [0, 136, 272, 408],
    );
    assert.deepEqual(
      second.map(([x]) => x),
      lefts,
    );
    assert.equal(new Set(first.map(([, y]) => y)).size, 1);
    assert.deepEqual(squares(png, 30, 128), []);
    assert.equal(lefts[0], png.width - (lefts[3] ?? 0) - 128, 'the margins are equal');
  });
}

test('every column has its own label above it, centred, and its caption below it', async () => {
  const columns = [4, 8, 16].map((resolution) => ({ resolution, images: flat(1, resolution, 1), caption: `${resolution * 100} kimg` }));
  const png = decode(await growthPng(columns, { side: 128 }));
  const [[left, top] = assert.fail()] = squares(png, 10, 128);
  const ink = (column: number, from: number, to: number): readonly number[] => {
    const inked: number[] = [];
    for (let y = from; y < to; y++) {
      for (let x = 0; x < 128; x++) if ((png.data[y * png.width + left + column * 136 + x] ?? 255) < 128) inked.push(x);
    }
    return inked;
  };
  const labels = [0, 1, 2].map((column) => ink(column, 0, top));
  const captions = [0, 1, 2].map((column) => ink(column, top + 130, top + 160));
  assert.equal(new Set([...labels, ...captions].map(String)).size, 6);
  for (const inked of [...labels, ...captions]) {
    assert.ok(inked.length > 0);
    const middle = (Math.min(...inked) + Math.max(...inked)) / 2;
    assert.ok(Math.abs(middle - 63.5) <= 1.5, `centred at ${middle}`);
  }
});

test('images above the side of the figure are reduced to the means of their pixels', async () => {
  const data = new Uint8Array(16 * 16).map((_, at) => (at % 2 === 0 ? 100 : 200));
  const png = decode(await growthPng([{ resolution: 16, images: { data, shape: [1, 16, 16, 1] } }], { side: 8 }));
  assert.equal(squares(png, 150, 8).length, 1);
});

test('no column, and sizes or channels that do not fit, are programming errors', async () => {
  await assert.rejects(growthPng([], { side: 32 }), RangeError);
  await assert.rejects(growthPng([{ resolution: 16, images: flat(1, 16, 1) }], { side: 24 }), RangeError);
  const mixed = [1, 3].map((channels) => ({ resolution: 4, images: flat(1, 4, channels) }));
  await assert.rejects(growthPng(mixed, { side: 8 }), RangeError);
});
