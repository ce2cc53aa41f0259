/** The rules for keys and sizes in a store, the same for folders and object stores, so that a run folder can move between them. */
import { PgganError } from '../../crds/errors.ts';

const MAX_KEY_BYTES = 1024;
const MAX_PART_BYTES = 240;
const CONTROL = /\p{Cc}/u;

/** Refuses an object that is larger than anybody made it, before memory is taken for it. @throws {PgganError} CheckpointInvalid */
export function checkSize(key: string, size: number, maxBytes = Number.POSITIVE_INFINITY): void {
  if (size > maxBytes) throw new PgganError('CheckpointInvalid', `${key} has ${size} bytes, more than the ${maxBytes} that are read`);
}

/** Checks a key. Parts that begin with a dot are refused: they are the file store's own. @throws {PgganError} OptionsInvalid */
export function checkKey(key: string): void {
  const problem = problemOf(key);
  if (problem) throw new PgganError('OptionsInvalid', `${JSON.stringify(key.slice(0, 200))} is no key of a store: ${problem}`);
}

function problemOf(key: string): string | undefined {
  if (key === '') return 'it is empty';
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`;
  if (CONTROL.test(key) || key.includes('\\')) return 'it holds a control character or a backslash';
  for (const part of key.split('/')) {
    if (part === '') return 'one of its parts is empty';
    if (part.startsWith('.')) return `its part '${part}' begins with a dot`;
    if (Buffer.byteLength(part) > MAX_PART_BYTES) return `one of its parts is longer than ${MAX_PART_BYTES} bytes`;
  }
  return undefined;
}
