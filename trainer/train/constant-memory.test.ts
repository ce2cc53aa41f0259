/** A training of many ticks, reports, pictures and checkpoints holds no more at its end than at its beginning. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EXIT } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { type MemoryUse, memoryUse } from '../backend/memory.ts';
import { createPhantoms } from '../data/phantoms.ts';
import { type ReportServer, startServer } from '../report/server.ts';
import { runPhase } from './run-phase.ts';
import { testRun } from './test-runs.ts';

const TICKS = 200;
const IMAGES_PER_TICK = 32;
/** Ticks until caches are filled and allocators have what they want. */
const WARM_UP = 50;

/** Garbage is no leak: what is measured is what remains. */
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test(`${TICKS} ticks keep the number of tensors and native handles, and resident memory within 5% of what it was after ${WARM_UP}`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-memory-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dataset = join(folder, 'phantoms');
  await createPhantoms({ folder: dataset, count: 64, resolution: 8, seed: 1 });
  const output = join(folder, 'run');
  const run = tinyRun(dataset, output);
  const server = await startServer({ port: 0, host: '127.0.0.1', deadlineSeconds: 3600 });
  t.after(() => server.close());
  const { watched, atTicks } = watching(server);
  assert.equal(
    await runPhase(run, 8, {
      server: watched,
      stop: { requested: false, reason: undefined, onRequest: () => undefined, release: () => undefined },
      print: () => undefined,
    }),
    EXIT.complete,
  );

  assert.equal(atTicks.length, TICKS);
  assert.equal(readFileSync(join(output, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').length, TICKS);
  const counts = new Set(atTicks.slice(WARM_UP).map(({ tensors, nativeHandles }) => `${tensors} tensors, ${nativeHandles} native handles`));
  assert.equal(counts.size, 1, [...counts].join('; '));
  const [early, late] = [atTicks.slice(WARM_UP, 2 * WARM_UP), atTicks.slice(-WARM_UP)].map(medianResidentBytes);
  assert.ok(early !== undefined && late !== undefined);
  assert.ok(
    late < 1.05 * early,
    `${(early / 1e6).toFixed(1)} MB were resident after the warm-up, ${(late / 1e6).toFixed(1)} MB at the end`,
  );
});

/** Two outer iterations a tick, so that everything that comes with a tick comes often; the document allows it, a manifest would not. */
function tinyRun(dataset: string, output: string): TrainingRun {
  const minibatch = 8;
  const run = testRun(
    { resolution: 8, schedule: { initialResolution: 8, minibatchBase: minibatch, minibatchRepeats: 2 } },
    {
      task: { kind: 'train', resolution: 8 },
      dataset: { uri: pathToFileURL(dataset).href },
      run: { uri: pathToFileURL(output).href },
      totalKimg: (TICKS * IMAGES_PER_TICK) / 1000,
      checkpoints: { everyKimg: (20 * IMAGES_PER_TICK) / 1000, everySeconds: 3600, keepLast: 1 },
      metrics: { names: ['moments'], images: 64, everyTicks: 20 },
    },
  );
  return {
    ...run,
    network: { ...run.network, fmapBase: 64, fmapMax: 8, latentSize: 8 },
    schedule: { ...run.schedule, levels: run.schedule.levels.map((level) => ({ ...level, tickKimg: IMAGES_PER_TICK / 1000 })) },
  };
}

/** A server that serves, and remembers what the process held when each tick was reported. */
function watching(server: ReportServer): { readonly watched: ReportServer; readonly atTicks: readonly MemoryUse[] } {
  const atTicks: MemoryUse[] = [];
  const update: ReportServer['update'] = (progress) => {
    server.update(progress);
    if (progress.kind !== 'training' || progress.tick <= atTicks.length) return;
    collectGarbage();
    atTicks.push(memoryUse());
  };
  return { watched: { ...server, update }, atTicks };
}

function medianResidentBytes(uses: readonly MemoryUse[]): number {
  const sorted = uses.map(({ residentBytes }) => residentBytes).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
