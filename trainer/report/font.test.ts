import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { svgText, type TextStyle, textWidth } from './font.ts';

/** Where text of 14 pixels at (150, 50) leaves ink on a picture of 400x100. */
async function inkOf(text: string, style: Partial<TextStyle> = {}) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="100">${svgText(text, 150, 50, { size: 14, colour: '#000', ...style })}</svg>`;
  const alpha = await sharp(Buffer.from(svg)).extractChannel(3).raw().toBuffer();
  const inked = [...alpha.keys()].filter((at) => (alpha[at] ?? 0) > 127);
  const xs = inked.map((at) => at % 400);
  const ys = inked.map((at) => Math.floor(at / 400));
  return { inked, left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

const DRAWN = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-−+×/_()';

test('every letter, figure and sign has a shape of its own, within the line', async () => {
  const shapes = new Map<string, string>();
  for (const character of Array.from(`${DRAWN}?`)) {
    const { inked, top, bottom } = await inkOf(character);
    assert.ok(inked.length > 0, character);
    assert.ok(top >= 33 && bottom <= 55, `${character} reaches from ${top} to ${bottom}`);
    const shape = String(inked);
    assert.equal(shapes.get(shape), undefined, `${character} looks like ${shapes.get(shape)}`);
    shapes.set(shape, character);
  }
});

test('text begins, is centred or ends where its anchor says, and is as wide as it is said to be', async () => {
  const width = textWidth('HEUEH', 14);
  for (const [anchor, left] of [
    ['start', 150],
    ['middle', 150 - width / 2],
    ['end', 150 - width],
  ] as const) {
    const ink = await inkOf('HEUEH', { anchor });
    assert.ok(Math.abs(ink.left - left) <= 1.5 && Math.abs(ink.right - left - width) <= 1.5, `${anchor}: ${ink.left} to ${ink.right}`);
  }
});

test('a character that the font lacks is a question mark, and markup stays out of the picture', async () => {
  for (const strange of ['肺', '<', '&', '"', 'ß']) {
    assert.deepEqual((await inkOf(strange)).inked, (await inkOf('?')).inked);
  }
});
