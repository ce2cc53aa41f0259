/** What a local run remembers between starts, in pggan-status.json of its folder; `pggan status` reads it without driving the run. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SynthesisProgress, TrainingProgress } from '../../crds/progress.ts';
import { NOTES_FILE, readRunNotes, type RunNotes } from '../../crds/run-notes.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { SynthesisJobSpec } from '../../crds/v1alpha1/synthesis-job.ts';
import type { SynthesisStatus } from '../synthesis/observed.ts';
import type { TrainingStatus } from '../training/status.ts';
import { onDisk } from './file-errors.ts';

type Common = RunNotes & { readonly updated: string };

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

/** The state of a folder; undefined where none was started. @throws {PgganError} UsageInvalid where the file is damaged. */
export const readState = (folder: string): RunState | undefined => readRunNotes(folder) as RunState | undefined;

/** Writes the state whole: readers see the old one or the new one. @throws {PgganError} StoreFull, StoreUnavailable */
export function writeState(folder: string, state: RunState): void {
  const path = join(folder, NOTES_FILE);
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
