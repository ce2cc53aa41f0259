/** What a local run remembers between starts, in pggan-status.json of its folder; `pggan status` reads it without driving the run. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asError, PgganError } from '../../crds/errors.ts';
import type { SynthesisProgress, TrainingProgress } from '../../crds/progress.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJobSpec } from '../../crds/v1alpha1/synthesis-job.ts';
import type { SynthesisStatus } from '../synthesis/observed.ts';
import type { TrainingStatus } from '../training/status.ts';

const STATE_FILE = 'pggan-status.json';

type Common = { readonly version: 1; readonly name: string; readonly namespace: string; readonly uid: string; readonly updated: string };

export type TrainingState = Common & {
  readonly kind: 'PGGANTraining';
  readonly spec: PGGANTrainingSpec;
  /** Where its images come from, for people: "phantoms (synthetic)" or a folder. */
  readonly data: string;
  readonly dataset: string;
  readonly status?: TrainingStatus;
  readonly progress?: TrainingProgress;
};

export type SynthesisState = Common & {
  readonly kind: 'SynthesisJob';
  readonly spec: SynthesisJobSpec;
  readonly status?: SynthesisStatus;
  readonly progress?: SynthesisProgress;
};

export type RunState = TrainingState | SynthesisState;

/** The state of a folder; undefined where none was started. @throws {PgganError} UsageInvalid where the file is damaged. */
export function readState(folder: string): RunState | undefined {
  const path = join(folder, STATE_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const state: RunState = JSON.parse(text);
    if (state.version !== 1) throw new Error(`its version is ${String(state.version)}, not 1`);
    return state;
  } catch (cause) {
    throw new PgganError(
      'UsageInvalid',
      `${path} cannot be read (${asError(cause).message}): delete it; the checkpoints tell where the run stands`,
      { cause },
    );
  }
}

/** Writes the state whole: readers see the old one or the new one. */
export function writeState(folder: string, state: RunState): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, STATE_FILE);
  writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${path}.${process.pid}`, path);
}

/** The uid under which a folder is owned: the same for every start of the same run. */
export function uidOf(folder: string): string {
  return readState(folder)?.uid ?? randomUUID();
}
