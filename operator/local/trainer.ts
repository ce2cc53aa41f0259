/** Where the trainer's program is, and how it is called. */
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** This file's own extension: .ts from the sources, .js once compiled. */
const MAIN = resolve(import.meta.dirname, `../../trainer/main${extname(import.meta.filename)}`);

/** The command line of a trainer process. */
export function trainerCommand(...args: readonly string[]): readonly string[] {
  return [process.execPath, MAIN, ...args];
}

/** The file:// URI of a folder, without a slash at its end. */
export function folderUri(folder: string): string {
  return pathToFileURL(resolve(folder)).href.replace(/[/]+$/, '');
}
