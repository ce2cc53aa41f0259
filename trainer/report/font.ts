/** A five by seven bitmap font for labels in pictures: no font file has to be there, and every machine draws the same pixels. */
import type { Picture } from './grid.ts';

const WIDTH = 5;
export const TEXT_HEIGHT = 7;

/** Rows from top to bottom, five bits each, the leftmost pixel highest. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  '0': [14, 17, 19, 21, 25, 17, 14],
  '1': [4, 12, 4, 4, 4, 4, 14],
  '2': [14, 17, 1, 2, 4, 8, 31],
  '3': [31, 2, 4, 2, 1, 17, 14],
  '4': [2, 6, 10, 18, 31, 2, 2],
  '5': [31, 16, 30, 1, 1, 17, 14],
  '6': [6, 8, 16, 30, 17, 17, 14],
  '7': [31, 1, 2, 4, 8, 8, 8],
  '8': [14, 17, 17, 14, 17, 17, 14],
  '9': [14, 17, 17, 15, 1, 2, 12],
  x: [0, 0, 17, 10, 4, 10, 17],
  k: [16, 16, 18, 20, 24, 20, 18],
  i: [4, 0, 12, 4, 4, 4, 14],
  m: [0, 0, 26, 21, 21, 21, 21],
  g: [0, 15, 17, 17, 15, 1, 14],
  l: [12, 4, 4, 4, 4, 4, 14],
  o: [0, 0, 14, 17, 17, 17, 14],
  d: [1, 1, 13, 19, 17, 17, 15],
  r: [0, 0, 22, 25, 16, 16, 16],
  e: [0, 0, 14, 17, 31, 16, 14],
  a: [0, 0, 14, 1, 15, 17, 15],
  s: [0, 0, 14, 16, 14, 1, 30],
  '.': [0, 0, 0, 0, 0, 12, 12],
  ' ': [0, 0, 0, 0, 0, 0, 0],
};

/** Draws white text with its top left corner at (left, top); a character that the font lacks is a blank. What lies outside is cut off. */
export function drawText(picture: Picture, text: string, left: number, top: number, scale: number): void {
  for (const [place, character] of text.split('').entries()) {
    for (const [row, bits] of (GLYPHS[character] ?? []).entries()) {
      for (let column = 0; column < WIDTH; column++) {
        if ((bits >> (WIDTH - 1 - column)) & 1) fill(picture, left + (place * (WIDTH + 1) + column) * scale, top + row * scale, scale);
      }
    }
  }
}

function fill({ width, height, channels, data }: Picture, left: number, top: number, side: number): void {
  for (let y = top; y < Math.min(top + side, height); y++) {
    const from = (y * width + left) * channels;
    const to = (y * width + Math.min(left + side, width)) * channels;
    data.fill(255, from, Math.max(from, to));
  }
}
