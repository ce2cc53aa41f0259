import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressBar } from './progress-bar.ts';

function recorded(terminal: { isTTY?: boolean; columns?: number }): {
  readonly written: string[];
  readonly stream: Parameters<typeof progressBar>[0];
} {
  const written: string[] = [];
  return { written, stream: { ...terminal, write: (text) => written.push(text) } };
}

test('elsewhere than on a terminal there is a plain line for every tenth of the way', () => {
  const { written, stream } = recorded({});
  const bar = progressBar(stream, 'writing');
  for (let done = 1; done <= 1000; done++) bar.update(done, 1000);
  assert.equal(written.length, 11);
  assert.ok(written.every((line) => /^writing \d+\/1000 \(\d+%\)[ ,.\w]*\n$/.test(line)));
  assert.match(written.at(-1) ?? '', /^writing 1000\/1000 \(100%\), \d+\.\d s\n$/);
});

test('on a terminal one line is drawn again and again, and ended once', () => {
  const { written, stream } = recorded({ isTTY: true, columns: 60 });
  const bar = progressBar(stream, 'checking');
  for (let done = 1; done <= 4; done++) bar.update(done, 4);
  assert.equal(written.length, 4);
  assert.ok(written.every((text) => text.startsWith('\r\x1b[2K[') && text.length <= 60 + 7));
  assert.deepEqual(
    written.map((text) => text.endsWith('\n')),
    [false, false, false, true],
  );
  assert.match(written[1] ?? '', /\[(#+)(-+)\] checking 2\/4 \(50%\)/);
});

test('a terminal too narrow for the bar shows the text alone', () => {
  const { written, stream } = recorded({ isTTY: true, columns: 20 });
  progressBar(stream, 'checking').update(1, 4);
  assert.equal(written[0], '\r\x1b[2Kchecking 1/4 (25%)'.slice(0, 5 + 19));
});
