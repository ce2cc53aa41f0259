import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decode } from 'fast-png';
import type { Schedule } from '../../crds/schedule.ts';
import { type Chart, chartSvg, type Span } from './chart.ts';
import { type LossesOptions, lossesPng } from './losses.ts';

const schedule: Schedule = {
  resolution: 16,
  initialResolution: 4,
  trainKimg: 10,
  transitionKimg: 10,
  minibatchRepeats: 1,
  levels: [4, 8, 16].map((resolution) => ({
    resolution,
    minibatch: 10,
    tickKimg: 5,
    generatorLearningRate: 0.001,
    discriminatorLearningRate: 0.001,
  })),
};

function line(images: number, losses: object): string {
  return JSON.stringify({ images, ...losses });
}
const values = { generator: 1, discriminator: -1, realScores: 2, fakeScores: -2, gradientNorm: 1.1 };

function plot(metrics: readonly string[], more: Partial<LossesOptions> = {}): Promise<Buffer | undefined> {
  return lossesPng({ title: 'ns/name', schedule, gradientTarget: 1, metrics: metrics.join('\n'), ...more });
}

/** The colours along a row of the picture, with where each run of one colour begins. */
function runsOf(png: ReturnType<typeof decode>, y: number): readonly { readonly colour: string; readonly x: number }[] {
  const runs: { colour: string; x: number }[] = [];
  for (let x = 0; x < png.width; x++) {
    const at = (y * png.width + x) * png.channels;
    const colour = Buffer.from(png.data.slice(at, at + 3)).toString('hex');
    if (runs.at(-1)?.colour !== colour) runs.push({ colour, x });
  }
  return runs;
}
const SHADE = 'dbeafe';

test('each resolution has its band of the axis, and its fade-in is shaded where the schedule has it', async () => {
  const png = decode((await plot([5000, 10_000, 20_000, 40_000, 60_000].map((images) => line(images, values)))) ?? assert.fail());
  // A row just below the top of the first panel, which no line reaches.
  const shaded = runsOf(png, 153).flatMap(({ colour, x }, i, runs) =>
    colour === SHADE ? [[x, runs[i + 1]?.x ?? png.width] as const] : [],
  );
  // 60 kimg on 1132 pixels from 100 on: 8x8 fades in from 10 to 20, 16x16 from 30 to 40; a border of one pixel may stand at either end.
  const expected = [10, 20, 30, 40].map((kimg) => 100 + (kimg * 1132) / 60);
  assert.equal(shaded.length, 2, JSON.stringify(shaded));
  for (const [i, edge] of shaded.flat().entries()) assert.ok(Math.abs(edge - (expected[i] ?? 0)) <= 1.5, `${edge}, not ${expected[i]}`);
});

test('a fork’s plot begins with the resolution that it began with', async () => {
  const png = decode((await plot([line(35_000, values), line(60_000, values)])) ?? assert.fail());
  const shaded = runsOf(png, 153).find(({ colour }) => colour === SHADE);
  assert.ok(shaded && shaded.x <= 102, 'the axis begins where 16x16 begins to fade in');
});

test('equal losses give equal bytes whatever the clock said, other losses do not', async () => {
  const one = await plot([line(5000, { ...values, secondsTotal: 1, time: 'a' }), line(10_000, values)]);
  assert.deepEqual(await plot([line(5000, { ...values, secondsTotal: 2, time: 'b' }), line(10_000, values)]), one);
  assert.notDeepEqual(await plot([line(5000, { ...values, generator: 1.5 }), line(10_000, values)]), one);
});

test('no ticks give no plot; a tick without losses is a gap', async () => {
  assert.equal(await plot([]), undefined);
  const whole = await plot([5000, 10_000, 15_000].map((images) => line(images, values)));
  const gap = await plot([line(5000, values), line(10_000, { generator: null }), line(15_000, values)]);
  assert.ok(gap && whole);
  assert.notDeepEqual(gap, whole);
});

const span: Span = { label: '4 × 4', from: 0, shadedTo: 0, to: 100 };
const chart = (...ys: readonly number[]): Chart => ({
  title: 't',
  xTitle: 'x',
  shade: 's',
  spans: [span],
  panels: [{ title: 'p', series: [{ name: 'n', colour: '#123456', points: ys.map((y, i) => ({ x: (100 * i) / ys.length, y })) }] }],
});
/** Coordinates of the drawn line. */
const lineOf = (svg: string): readonly (readonly [number, number])[] => {
  const path = /<path d="([^"]*)" fill="none" stroke="#123456"/.exec(svg)?.[1] ?? assert.fail('no line');
  return [...path.matchAll(/[ML](\S+) ([^ML]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
};

test('whatever the values, the line stays in its panel, in their order, and says nothing that is no number', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e30, max: 1e30, noNaN: true }), { minLength: 1, maxLength: 40 }), (ys) => {
      const svg = chartSvg(chart(...ys));
      assert.doesNotMatch(svg, /NaN|Infinity/);
      const points = lineOf(svg);
      assert.equal(points.length, ys.length);
      for (const [i, [x, y]] of points.entries()) {
        assert.ok(x >= 100 && x <= 1232 && y >= 150 && y <= 360, `${x} ${y}`);
        for (const [j, [, other]] of points.entries()) if ((ys[i] ?? 0) < (ys[j] ?? 0)) assert.ok(y >= other);
      }
    }),
  );
});

test('one wild value is marked at the edge and does not flatten the rest', () => {
  const calm = Array.from({ length: 100 }, (_, i) => Math.sin(i / 5));
  const svg = chartSvg(chart(...calm, -4000));
  const heights = lineOf(svg)
    .slice(0, 100)
    .map(([, y]) => y);
  assert.ok(Math.max(...heights) - Math.min(...heights) > 80);
  assert.match(svg, /h10l-5 9z/);
  assert.doesNotMatch(chartSvg(chart(...calm)), /h10l-5/);
});
