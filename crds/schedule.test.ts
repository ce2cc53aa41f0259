/** The schedule against the reference's own numbers, and the phases against a naive walk of the training loop. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { shared } from '../test/harness/shared.ts';
import { PRESETS } from './presets.ts';
import { resolveSchedule } from './resolve.ts';
import {
  type Moment,
  type Phase,
  type Schedule,
  fadedInImages,
  imagesPerIteration,
  phases,
  resetsOptimizer,
  scheduleAt,
} from './schedule.ts';

const v2 = resolveSchedule({ resolution: 512, preset: 'v2-1gpu', precision: 'Float32' });

type GoldenRow = { nimg: number; lod: number; resolution: number; minibatch: number; G_lrate: number; D_lrate: number; tick_kimg: number };
type GoldenLoop = {
  total_kimg: number;
  outer_loops: number;
  iterations: number;
  final_nimg: number;
  opt_resets: [number, number][];
  ticks: number[];
  snapshots: string[];
};

test('the schedule of v2-1gpu at 512x512 equals the reference in all 60 rows', (t) => {
  const path = shared(t, 'golden/schedule512.json');
  if (!path) return;
  const { rows } = JSON.parse(readFileSync(path, 'utf8')) as { rows: GoldenRow[] };
  assert.equal(rows.length, 60);
  for (const row of rows) {
    const { lod, ...moment } = scheduleAt(v2, row.nimg);
    assert.ok(Math.abs(lod - row.lod) < 1e-12, `lod after ${row.nimg} images is ${lod}, reference ${row.lod}`);
    assert.deepEqual(moment, {
      resolution: row.resolution,
      minibatch: row.minibatch,
      generatorLearningRate: row.G_lrate,
      discriminatorLearningRate: row.D_lrate,
      tickKimg: row.tick_kimg,
    });
  }
});

test('walking the schedule gives the reference its optimizer resets, ticks and snapshots over 12,000 kimg', (t) => {
  const path = shared(t, 'golden/mainloop512.json');
  if (!path) return;
  const golden = JSON.parse(readFileSync(path, 'utf8')) as GoldenLoop;
  const resets: [number, number][] = [];
  const ticks: number[] = [];
  const snapshots: string[] = [];
  let outerLoops = 0;
  let steps = 0;
  let tickStart = 0;
  let images = 0;
  let before: number | undefined;
  for (const { start, moment, end } of outerIterations(v2, golden.total_kimg)) {
    if (resetsOptimizer(before, moment.lod)) resets.push([start, moment.lod]);
    before = moment.lod;
    outerLoops += 1;
    steps += v2.minibatchRepeats;
    images = end;
    const done = images >= golden.total_kimg * 1000;
    if (images < tickStart + moment.tickKimg * 1000 && !done) continue;
    ticks.push(images);
    tickStart = images;
    if (ticks.length % 10 === 0 || done) snapshots.push(`network-snapshot-${String(Math.floor(images / 1000)).padStart(6, '0')}.pkl`);
  }
  assert.equal(outerLoops, golden.outer_loops);
  assert.equal(steps, golden.iterations);
  assert.equal(images, golden.final_nimg);
  assert.deepEqual(
    resets.map(([at]) => at),
    golden.opt_resets.map(([at]) => at),
  );
  for (const [index, [at, lod]] of resets.entries()) {
    assert.ok(Math.abs(lod - (golden.opt_resets[index]?.[1] ?? Number.NaN)) < 1e-12, `lod at the reset after ${at} images`);
  }
  assert.deepEqual(ticks, golden.ticks);
  assert.deepEqual(snapshots, golden.snapshots);
});

test('the phases of a 15,000 kimg run end where the training loop notices the next resolution', () => {
  assert.deepEqual(
    phases(v2, 15_000).map(({ resolution, endImages }) => [resolution, endImages]),
    [
      [4, 600_064],
      [8, 1_800_192],
      [16, 3_000_320],
      [32, 4_200_192],
      [64, 5_400_064],
      [128, 6_600_064],
      [256, 7_800_032],
      [512, 15_000_000],
    ],
  );
});

test('the image after the end of a phase belongs to the next resolution', () => {
  assert.equal(scheduleAt(v2, 600_000).resolution, 4);
  assert.equal(scheduleAt(v2, 600_064).resolution, 8);
});

test('512x512 has faded in after 8,400 kimg with 600 kimg to train and 600 to fade', () => {
  assert.equal(fadedInImages(v2), 8_400_000);
  assert.equal(scheduleAt(v2, 8_400_000).lod, 0);
  assert.ok(scheduleAt(v2, 8_399_999).lod > 0);
});

test('without a fade every resolution jumps in, and without growing there is one phase', () => {
  const jumping = resolveSchedule({
    resolution: 16,
    precision: 'Float32',
    schedule: { trainKimg: 2, transitionKimg: 0, minibatchBase: 8 },
  });
  assert.deepEqual(
    phases(jumping, 7).map(({ resolution, endImages }) => [resolution, endImages]),
    [
      [4, 2016],
      [8, 4000],
      [16, 7008],
    ],
  );
  const whole = resolveSchedule({ resolution: 64, precision: 'Float32', schedule: { initialResolution: 64 } });
  assert.deepEqual(phases(whole, 1), [{ resolution: 64, startImages: 0, endImages: 1024 }]);
});

const smallSchedules = fc
  .record({
    doublings: fc.integer({ min: 0, max: 4 }),
    skipped: fc.integer({ min: 0, max: 2 }),
    trainKimg: fc.integer({ min: 0, max: 6 }),
    transitionKimg: fc.integer({ min: 0, max: 6 }),
    minibatchRepeats: fc.integer({ min: 1, max: 5 }),
    minibatches: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 5, maxLength: 5 }),
    totalKimg: fc.integer({ min: 1, max: 60 }),
  })
  .map(({ doublings, skipped, totalKimg, minibatches, ...rest }) => {
    const resolution = 4 * 2 ** doublings;
    const levels = minibatches.slice(0, doublings + 1).map((minibatch, index) => ({
      resolution: 4 * 2 ** index,
      minibatch,
      generatorLearningRate: 0.001,
      discriminatorLearningRate: 0.001,
      tickKimg: 1,
    }));
    const schedule: Schedule = { resolution, initialResolution: 4 * 2 ** Math.min(skipped, doublings), levels, ...rest };
    return { schedule, totalKimg };
  });

test('phases equal a naive walk, cover the run without gap or overlap, and never go backwards', () => {
  fc.assert(
    fc.property(smallSchedules, ({ schedule, totalKimg }) => {
      const list: readonly Phase[] = phases(schedule, totalKimg);
      assert.deepEqual(list, naivePhases(schedule, totalKimg));
      assert.equal(list[0]?.startImages, 0);
      assert.ok((list.at(-1)?.endImages ?? 0) >= totalKimg * 1000);
      for (const [index, phase] of list.entries()) {
        assert.ok(phase.endImages > phase.startImages);
        const next: Phase | undefined = list[index + 1];
        if (!next) continue;
        assert.equal(next.startImages, phase.endImages);
        assert.ok(next.resolution > phase.resolution);
      }
    }),
  );
});

test('raising totalKimg moves no phase but the last', () => {
  fc.assert(
    fc.property(smallSchedules, fc.integer({ min: 1, max: 20 }), ({ schedule, totalKimg }, more) => {
      const before = phases(schedule, totalKimg);
      const after = phases(schedule, totalKimg + more);
      assert.deepEqual(after.slice(0, before.length - 1), before.slice(0, -1));
    }),
  );
});

test('every preset has a level for each resolution and phases that end at totalKimg', () => {
  for (const [preset, { totalKimg }] of Object.entries(PRESETS)) {
    const schedule = resolveSchedule({ resolution: 1024, preset: preset as keyof typeof PRESETS, precision: 'Float32' });
    const list = phases(schedule, totalKimg);
    assert.deepEqual(
      list.map(({ resolution }) => resolution),
      [4, 8, 16, 32, 64, 128, 256, 512, 1024],
      preset,
    );
    assert.ok((list.at(-1)?.endImages ?? 0) >= totalKimg * 1000, preset);
  }
});

type OuterIteration = { readonly start: number; readonly moment: Moment; readonly end: number };

/** The training loop's own order: look at the schedule once, show minibatchRepeats minibatches, look again. */
function* outerIterations(schedule: Schedule, totalKimg: number): Generator<OuterIteration> {
  for (let start = 0; start < totalKimg * 1000; ) {
    const moment = scheduleAt(schedule, start);
    const end = start + imagesPerIteration(schedule, moment);
    yield { start, moment, end };
    start = end;
  }
}

function naivePhases(schedule: Schedule, totalKimg: number): Phase[] {
  const list: { resolution: number; startImages: number; endImages: number }[] = [];
  for (const { start, moment, end } of outerIterations(schedule, totalKimg)) {
    const last = list.at(-1);
    if (last?.resolution === moment.resolution) last.endImages = end;
    else list.push({ resolution: moment.resolution, startImages: start, endImages: end });
  }
  return list;
}
