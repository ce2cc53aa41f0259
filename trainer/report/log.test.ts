import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { judge } from '../../test/harness/judge.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { formatTime, measuredLine, metricsLine, parseMetrics, TIME_FIELDS, type Tick, tickLine } from './log.ts';

const tick: Tick = {
  tick: 4,
  images: 621_568,
  lod: 6.96,
  resolution: 8,
  minibatch: 128,
  epochs: 99.2,
  secondsTotal: 3725,
  secondsPerTick: 155.04,
  secondsPerKimg: 0.969,
  secondsMaintenance: 1.25,
  losses: { generator: -1, discriminator: 2, realScores: 3, fakeScores: 4, mixedScores: 5, gradientNorm: 1 },
  scalars: { 'discriminator.penalty': 0.5 },
  time: new Date('2026-01-01T00:00:00Z'),
};

test('a tick is one line in the columns that existing tools parse', () => {
  assert.equal(
    tickLine(tick),
    'tick 4     kimg 621.6    lod 6.96  minibatch 128  time 1h 02m 05s   sec/tick 155.0   sec/kimg 0.97    maintenance 1.2',
  );
});

test('figures are a line of their own for people and fields of the tick for programs', () => {
  const metrics = { SWDx1e3_16: 20.55555, SWDx1e3_avg: 21 };
  assert.equal(measuredLine(metrics), 'metrics  SWDx1e3_16 20.5556 SWDx1e3_avg 21.0000');
  const line = JSON.parse(metricsLine({ ...tick, metrics })) as Record<string, unknown>;
  assert.deepEqual([line['SWDx1e3_16'], line['SWDx1e3_avg'], line['metrics']], [20.55555, 21, undefined]);
});

test('durations read as seconds, minutes, hours or days, rounded half to even', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [0.5, '0s'],
    [1.5, '2s'],
    [59.4, '59s'],
    [59.5, '1m 00s'],
    [60, '1m 00s'],
    [3599.4, '59m 59s'],
    [3600, '1h 00m 00s'],
    [86_399, '23h 59m 59s'],
    [86_400, '1d 00h 00m'],
    [6 * 86_400 + 3 * 3600 + 61, '6d 03h 01m'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatTime(seconds), text, String(seconds));
});

test('every number is written as C and Python write it, exact halves included', async (t) => {
  const number = fc.oneof(
    fc.double({ min: 0, max: 1e7, noNaN: true }),
    fc.integer({ min: 0, max: 80_000 }).map((eighths) => eighths / 8),
  );
  const ticks = fc.sample(
    fc.record({ tick: fc.nat(500), images: fc.nat(15_000_000), lod: number, minibatch: fc.nat(512), a: number, b: number, c: number }),
    { numRuns: 2000, seed: 1 },
  );
  const input = join(await temporaryFolder(t), 'ticks.json');
  await writeFile(input, JSON.stringify(ticks.map(({ tick, images, lod, minibatch, a, b, c }) => [tick, images, lod, minibatch, a, b, c])));
  const out = judge(
    t,
    `
import json, sys
for tick, images, lod, minibatch, a, b, c in json.load(open(sys.argv[1])):
    print('tick %-5d kimg %-8.1f lod %-5.2f minibatch %-4d time %-12s sec/tick %-7.1f sec/kimg %-7.2f maintenance %.1f' % (tick, images / 1000, lod, minibatch, '7s', a, b, c))
`,
    [input],
  );
  if (out === undefined) return;
  const ours = ticks.map(({ a, b, c, ...rest }) =>
    tickLine({ ...tick, ...rest, secondsTotal: 7, secondsPerTick: a, secondsPerKimg: b, secondsMaintenance: c }),
  );
  assert.deepEqual(ours, out.trimEnd().split('\n'));
});

test('numbers that are none do not break a line', () => {
  assert.match(
    tickLine({ ...tick, secondsPerKimg: Number.NaN, secondsPerTick: Number.POSITIVE_INFINITY }),
    /sec\/tick inf {5}sec\/kimg nan/,
  );
});

test('a tick of metrics.jsonl is one JSON object whose times can be told from the rest', () => {
  const line = metricsLine(tick);
  assert.doesNotMatch(line, /\n/);
  const parsed = JSON.parse(line) as Record<string, unknown>;
  assert.equal(parsed['kimg'], 621.568);
  assert.equal(parsed['generator'], -1);
  assert.equal(parsed['discriminator.penalty'], 0.5);
  assert.equal(parsed['time'], '2026-01-01T00:00:00.000Z');
  const later = JSON.parse(
    metricsLine({ ...tick, secondsTotal: 9, secondsPerTick: 9, secondsPerKimg: 9, secondsMaintenance: 9, time: new Date(0) }),
  ) as Record<string, unknown>;
  for (const field of TIME_FIELDS) {
    assert.notEqual(later[field], parsed[field], field);
    delete parsed[field];
    delete later[field];
  }
  assert.deepEqual(later, parsed);
});

test('what a person or a cut has left in a log of ticks is passed over', () => {
  const line = metricsLine(tick);
  assert.deepEqual(parseMetrics(`${line}\n# a note\n7\n\n${line.slice(0, 40)}\n${line}\n`), [JSON.parse(line), JSON.parse(line)]);
});
