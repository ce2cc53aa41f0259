/** What the file system refuses the driver, as an error with a code that says what a person can do. */
import { asError, PgganError } from '../../crds/errors.ts';

/** No block left, no quota left, or a file larger than this process may write. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'there is a folder of this name',
  EEXIST: 'there is a file of this name',
};

/** Runs what touches `path`. @throws {PgganError} StoreFull, StoreUnavailable in place of the system's error */
export function onDisk<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw fileError(path, cause);
  }
}

function fileError(path: string, cause: unknown): PgganError {
  if (cause instanceof PgganError) return cause;
  const error = asError(cause);
  const code = 'code' in error ? String(error.code) : '';
  if (FULL.has(code))
    return new PgganError('StoreFull', `${path} cannot be written: there is no room left (${code}). Free some space, then start it again`, {
      cause,
    });
  return new PgganError(
    'StoreUnavailable',
    `${path} cannot be written: ${REASONS[code] ?? error.message} (${code || error.name}). Mend that, or name another folder with --output`,
    { cause },
  );
}
