/** `npm run golden -- FILE.safetensors...`: replays golden cases through the public functions and prints the largest deviations as JSON. */
import { readFileSync } from 'node:fs';
import { asError, EXIT, PgganError } from '../crds/errors.ts';
import { type Backend, prepareBackend } from './backend/backend.ts';
import { type GoldenCase, readGoldenCase } from './golden/case.ts';
import {
  beyondTolerance,
  type Deviation,
  largestByQuantity,
  NATIVE_TOLERANCES,
  type Tolerances,
  WASM_TOLERANCES,
} from './golden/deviations.ts';
import { replayLosses } from './golden/replay-losses.ts';
import { replayTraining } from './golden/replay-training.ts';

const THREADS = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(files: readonly string[]): Promise<number> {
  try {
    if (files.length === 0) throw new PgganError('UsageInvalid', 'name at least one golden file: npm run golden -- FILE.safetensors...');
    const backend = await prepareBackend({ threads: THREADS, warn: (message) => process.stderr.write(`${message}\n`) });
    const reports = files.map((file) => reported(file, backend));
    process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
    return reports.every(({ ok }) => ok) ? EXIT.complete : 1;
  } catch (thrown) {
    const error = asError(thrown);
    process.stderr.write(`${error instanceof PgganError ? `${error.code}: ${error.message}` : error.stack}\n`);
    return error instanceof PgganError ? error.exitCode : 1;
  }
}

/** What one file gave, or why it gave nothing: the files after it are replayed all the same. */
function reported(file: string, backend: Backend) {
  try {
    return report(file, backend);
  } catch (thrown) {
    const error = asError(thrown);
    return { file, ok: false, error: error instanceof PgganError ? `${error.code}: ${error.message}` : error.message };
  }
}

/** The largest deviation of each quantity, with its tolerance, and every comparison that exceeds it. */
function report(file: string, backend: Backend) {
  const golden = readGoldenCase(readFileSync(file), file);
  const tolerances = backend.kind === 'native' ? NATIVE_TOLERANCES : WASM_TOLERANCES;
  const deviations = replayAll(golden, backend, tolerances);
  const beyond = beyondTolerance(deviations);
  const largest = Object.entries(largestByQuantity(deviations)).map(([quantity, deviation]) => [
    quantity,
    { deviation, tolerance: tolerances[quantity as keyof Tolerances] },
  ]);
  return {
    file,
    case: golden.name,
    backend: backend.kind,
    comparisons: deviations.length,
    ok: beyond.length === 0,
    largest: Object.fromEntries(largest),
    beyond,
  };
}

function replayAll(golden: GoldenCase, backend: Backend, tolerances: Tolerances): readonly Deviation[] {
  const modes = backend.kind === 'native' ? (['eager', 'graph'] as const) : (['eager'] as const);
  return modes.flatMap((mode) => [
    ...golden.lods.flatMap((lod) => replayLosses(golden, lod, mode, tolerances)),
    ...golden.trainLods.flatMap((lod) => replayTraining(golden, lod, mode, tolerances)),
  ]);
}
