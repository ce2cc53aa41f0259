import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { cropToSquare, reduceTo, toGrey } from './resize.ts';

test('the crop keeps the middle of the longer side', () => {
  const wide = { channels: 1, width: 5, height: 2, pixels: Uint8Array.from([0, 1, 2, 3, 4, 10, 11, 12, 13, 14]) } as const;
  assert.deepEqual(cropToSquare(wide), { channels: 1, width: 2, height: 2, pixels: Uint8Array.from([1, 2, 11, 12]) });
  const tall = { channels: 3, width: 1, height: 3, pixels: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]) } as const;
  assert.deepEqual(cropToSquare(tall).pixels, Uint8Array.from([4, 5, 6]));
});

test('luminance weighs red, green and blue as ITU-R BT.601 does', () => {
  const colours = { channels: 3, width: 4, height: 1, pixels: Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]) } as const;
  assert.deepEqual([...toGrey(colours).pixels], [76, 150, 29, 255]);
});

test('each pixel is the mean of the area it covers, in every channel, for whole and broken factors', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 3),
      fc.integer({ min: 4, max: 40 }),
      fc.constantFrom(4, 8, 16),
      fc.nat(),
      (channels, width, size, seed) => {
        fc.pre(width >= size);
        const pixels = Uint8Array.from({ length: width * width * channels }, (_, i) => (i * 7919 + seed) % 256);
        const reduced = reduceTo({ channels, width, height: width, pixels }, size);
        const overlap = (pixel: number, i: number): number =>
          Math.max(Math.min(((i + 1) * width) / size, pixel + 1) - Math.max((i * width) / size, pixel), 0);
        for (const [at, value] of reduced.pixels.entries()) {
          const [channel, x, y] = [at % channels, Math.floor(at / channels) % size, Math.floor(at / channels / size)];
          let mean = 0;
          for (let row = 0; row < width; row++) {
            for (let column = 0; column < width; column++) {
              mean +=
                (overlap(row, y) * overlap(column, x) * (pixels[(row * width + column) * channels + channel] ?? 0)) / (width / size) ** 2;
            }
          }
          // Rounded after the rows and again after the columns.
          assert.ok(Math.abs(value - mean) <= 1.01, `${value} for a mean of ${mean}`);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('a picture is never enlarged', () => {
  assert.throws(() => reduceTo({ channels: 1, width: 4, height: 4, pixels: new Uint8Array(16) }, 8), RangeError);
});
