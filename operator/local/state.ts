/** What a local run remembers between starts, in pggan-status.json of its folder; `pggan status` reads it without driving the run. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asError, PgganError } from '../../crds/errors.ts';
import type { SynthesisProgress, TrainingProgress } from '../../crds/progress.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJobSpec } from '../../crds/v1alpha1/synthesis-job.ts';
import type { SynthesisStatus } from '../synthesis/observed.ts';
import type { TrainingStatus } from '../training/status.ts';
import { onDisk } from './file-errors.ts';
import { folderUri } from './trainer.ts';

const STATE_FILE = 'pggan-status.json';

type Common = {
  readonly version: 1;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly updated: string;
  /** URI of the run, or of the images: this folder itself, or s3:// where this folder only keeps notes. */
  readonly run: string;
};

export type TrainingState = Common & {
  readonly kind: 'PGGANTraining';
  readonly spec: PGGANTrainingSpec;
  /** Where its images come from, for people: "phantoms (synthetic)" or a folder. */
  readonly data: string;
  /** URI of the dataset folder. */
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

const ALWAYS_THERE = ['kind', 'name', 'namespace', 'uid', 'run', 'spec'] as const satisfies readonly (keyof RunState)[];

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
    const lacking = ALWAYS_THERE.filter((field) => state[field] === undefined);
    if (lacking.length > 0) throw new Error(`it lacks ${lacking.join(', ')}`);
    // A run in a folder is where its folder is now, wherever that was when this was written.
    const { run }: { readonly run?: string } = state;
    return run?.startsWith('s3://') ? state : { ...state, run: folderUri(folder) };
  } catch (cause) {
    throw new PgganError(
      'UsageInvalid',
      `${path} cannot be read (${asError(cause).message}): delete it; the checkpoints tell where the run stands`,
      { cause },
    );
  }
}

/** Writes the state whole: readers see the old one or the new one. @throws {PgganError} StoreFull, StoreUnavailable */
export function writeState(folder: string, state: RunState): void {
  const path = join(folder, STATE_FILE);
  const written = `${path}.${process.pid}`;
  onDisk(path, () => {
    mkdirSync(folder, { recursive: true });
    try {
      writeFileSync(written, `${JSON.stringify(state, undefined, 2)}\n`);
      renameSync(written, path);
    } catch (error) {
      rmSync(written, { force: true });
      throw error;
    }
  });
}

/** The uid under which a folder is owned: the same for every start of the same run. */
export function uidOf(folder: string): string {
  return readState(folder)?.uid ?? randomUUID();
}
