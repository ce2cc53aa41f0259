/** Where the trainer's program is, and how it is called. */
import { extname, resolve } from 'node:path';

/** This file's own extension: .ts from the sources, .js once compiled. */
const MAIN = resolve(import.meta.dirname, `../../trainer/main${extname(import.meta.filename)}`);

/** The command line of a trainer process. */
export function trainerCommand(...args: readonly string[]): readonly string[] {
  return [process.execPath, MAIN, ...args];
}
