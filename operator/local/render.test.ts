import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdicts } from './finish.ts';
import { createScreen } from './render.ts';
import { duration, size } from '../../crds/text.ts';
import { bar, barLine } from './words.ts';

function output(isTTY: boolean): { readonly text: string[]; readonly isTTY: boolean; readonly columns: number; write(part: string): void } {
  const text: string[] = [];
  return { text, isTTY, columns: 20, write: (part) => void text.push(part) };
}

test('without a terminal only lines are written, without control characters', () => {
  const out = output(false);
  const screen = createScreen(out);
  screen.live(() => '50%');
  screen.line('phase');
  assert.deepEqual(out.text, ['phase\n']);
});

test('on a terminal a line appears above the live one, which is made for the width', () => {
  const out = output(true);
  const screen = createScreen(out);
  screen.live((columns) => 'x'.repeat(columns));
  screen.line('phase');
  assert.deepEqual(out.text.slice(-2), ['\r\u001b[2Kphase\n', `\r\u001b[2K${'x'.repeat(19)}`]);
  screen.live(undefined);
  assert.equal(out.text.at(-1), '\r\u001b[2K');
});

const PARTS = [
  { text: '32x32 fading in 40%', worth: 2 },
  { text: '52.3/80 kimg', worth: 1 },
  { text: '39.0 passes', worth: 7 },
  { text: '480 images/s', worth: 5 },
  { text: '2.1 s/kimg', worth: 6 },
  { text: 'loss G 1.23 D -4.56', worth: 4 },
  { text: 'about 12 min left', worth: 3 },
];

test('a narrow terminal is told what matters most: the bar gives way to words, and the figures go before where it stands', () => {
  const lines = [160, 100, 80, 60, 40, 10].map((columns) => barLine(0.5, PARTS, columns));
  assert.deepEqual(lines, [
    `${'█'.repeat(10)}${'░'.repeat(10)} 32x32 fading in 40% · 52.3/80 kimg · 39.0 passes · 480 images/s · 2.1 s/kimg · loss G 1.23 D -4.56 · about 12 min left`,
    '█████░░░░░ 32x32 fading in 40% · 52.3/80 kimg · loss G 1.23 D -4.56 · about 12 min left',
    '█████░░░░░ 32x32 fading in 40% · 52.3/80 kimg · about 12 min left',
    '█████░░░░░ 32x32 fading in 40% · 52.3/80 kimg',
    '█████░░░░░ 52.3/80 kimg',
    '52.3/80 ki',
  ]);
  assert(lines.every((line, i) => line.length <= ([160, 100, 80, 60, 40, 10][i] ?? 0)));
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
