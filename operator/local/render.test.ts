import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdicts } from './finish.ts';
import { createScreen } from './render.ts';
import { duration, size } from '../../crds/text.ts';
import { bar } from './words.ts';

function output(isTTY: boolean): { readonly text: string[]; readonly isTTY: boolean; readonly columns: number; write(part: string): void } {
  const text: string[] = [];
  return { text, isTTY, columns: 20, write: (part) => void text.push(part) };
}

test('without a terminal only lines are written, without control characters', () => {
  const out = output(false);
  const screen = createScreen(out);
  screen.live('50%');
  screen.line('phase');
  assert.deepEqual(out.text, ['phase\n']);
});

test('on a terminal a line appears above the live one, which is cut to the width', () => {
  const out = output(true);
  const screen = createScreen(out);
  screen.live('x'.repeat(50));
  screen.line('phase');
  assert.equal(out.text.at(-1), `\r\u001b[2K${'x'.repeat(19)}`);
  assert.equal(out.text.at(-2), 'phase\n');
});

test('durations, sizes and bars read as people say them', () => {
  assert.deepEqual([45, 600, 12_000, 200_000].map(duration), ['45 s', '10 min', '3 h 20 min', '2 d 7 h']);
  assert.deepEqual([900, 12e6, 1.34e9].map(size), ['1 kB', '12 MB', '1.3 GB']);
  assert.equal(bar(0.5, 4), '██░░');
});

test('the two numbers at the end come with a verdict that calls a collapse by its name', () => {
  const said = verdicts({ meanCorrelation: 0.97, spreadRatio: 0.2, fakes: 1000, reals: 1341 });
  assert.match(said[0] ?? '', /1000 fakes.*1341 reals.*0\.970 \(good/);
  assert.match(said[1] ?? '', /0\.20 \(poor: .*resemble/);
});
