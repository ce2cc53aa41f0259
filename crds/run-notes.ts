/** The notes of the local driver, in a run's folder, as far as other programs read them: what was started there, and where its run is. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { asError, PgganError } from './errors.ts';
import type { Manifest } from './manifest.ts';

export const NOTES_FILE = 'pggan-status.json';

export type RunNotes = {
  readonly version: 1;
  readonly kind: Manifest['kind'];
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** URI of the run, or of the images: this folder itself, or s3:// where this folder only keeps notes. */
  readonly run: string;
  /** Its `store` says how s3:// is reached. */
  readonly spec: Pick<Manifest['spec'], 'store'>;
};

const ALWAYS_THERE = ['kind', 'name', 'namespace', 'uid', 'run', 'spec'] as const satisfies readonly (keyof RunNotes)[];

/** The notes in a folder; undefined where nothing was started. @throws {PgganError} UsageInvalid where the file is damaged. */
export function readRunNotes(folder: string): RunNotes | undefined {
  const path = join(folder, NOTES_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const notes: RunNotes = JSON.parse(text);
    if (notes.version !== 1) throw new Error(`its version is ${String(notes.version)}, not 1`);
    const lacking = ALWAYS_THERE.filter((field) => notes[field] === undefined);
    if (lacking.length > 0) throw new Error(`it lacks ${lacking.join(', ')}`);
    // A run in a folder is where its folder is now, wherever that was when this was written.
    const { run }: { readonly run?: string } = notes;
    return run?.startsWith('s3://') ? notes : { ...notes, run: folderUri(folder) };
  } catch (cause) {
    throw new PgganError(
      'UsageInvalid',
      `${path} cannot be read (${asError(cause).message}): delete it; the checkpoints tell where the run stands`,
      { cause },
    );
  }
}

/** The file:// URI of a folder, without a slash at its end. */
export function folderUri(folder: string): string {
  return pathToFileURL(resolve(folder)).href.replace(/[/]+$/, '');
}
