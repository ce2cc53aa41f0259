/** Pictures for tests, as files of every kind that a user's folder may hold. */
import { writeFile } from 'node:fs/promises';
import { encode } from 'fast-png';
import sharp from 'sharp';

/** A PNG of pseudo-random values; `channels`: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
export function testPng(
  width: number,
  height: number,
  options: { channels?: 1 | 2 | 3 | 4; depth?: 8 | 16; below?: number; alpha?: number } = {},
): Uint8Array {
  const { channels = 1, depth = 8, below = 2 ** depth, alpha = 255 } = options;
  const isAlpha = (i: number): boolean => channels % 2 === 0 && i % channels === channels - 1;
  const value = (i: number): number => (isAlpha(i) ? alpha : (i * 7919 + width * 13) % below);
  const length = width * height * channels;
  const data = depth === 16 ? Uint16Array.from({ length }, (_, i) => value(i)) : Uint8Array.from({ length }, (_, i) => value(i));
  return encode({ width, height, channels, depth, data });
}

/** A JPEG of a smooth ramp. */
export async function testJpeg(size: number, options: { channels?: 1 | 3; cmyk?: boolean; orientation?: number } = {}): Promise<Buffer> {
  const { channels = 3, cmyk = false, orientation } = options;
  const pixels = Uint8Array.from({ length: size * size * channels }, (_, i) => (i * 255) / (size * size * channels));
  let image = sharp(pixels, { raw: { width: size, height: size, channels } });
  if (channels === 1) image = image.toColourspace('b-w');
  if (cmyk) image = image.toColourspace('cmyk');
  if (orientation !== undefined) image = image.withMetadata({ orientation });
  return await image.jpeg({ quality: 95 }).toBuffer();
}

/** The PNG with an acTL chunk before its pixels: an animation of two frames. */
export function animated(png: Uint8Array): Buffer {
  const chunk = Buffer.alloc(20);
  chunk.writeUInt32BE(8, 0);
  chunk.write('acTL', 4, 'latin1');
  chunk.writeUInt32BE(2, 8);
  const afterHeader = 8 + 25;
  return Buffer.concat([png.subarray(0, afterHeader), chunk, png.subarray(afterHeader)]);
}

/** Writes files into a folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(`${folder}/${name}`, content)));
}
