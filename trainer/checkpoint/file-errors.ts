/** Turns what the file system throws into the errors that a user can act on. */
import { asError, PgganError } from '../../crds/errors.ts';

/** No block, no quota, or a file larger than this process may write. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not (check the folder’s owner and mode)',
  EPERM: 'this user may not (check the folder’s owner and mode)',
  EROFS: 'the file system is read-only',
  ENOENT: 'the folder is not there',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'there is a folder of this name',
  EIO: 'the disk reports an error',
  ESTALE: 'the network file system has lost the folder',
  EMFILE: 'this process has too many open files',
};

/** A file system error as StoreFull or StoreUnavailable that names store, key and reason; other PgganErrors pass. */
export function storeError(uri: string, verb: string, key: string, cause: unknown): PgganError {
  if (cause instanceof PgganError) return cause;
  const code = codeOf(cause) ?? '';
  const object = key === '' ? uri : `${key} in ${uri}`;
  if (isFull(cause)) return new PgganError('StoreFull', `cannot ${verb} ${object}: there is no room left (${code})`, { cause });
  return new PgganError('StoreUnavailable', `cannot ${verb} ${object}: ${REASONS[code] ?? asError(cause).message}`, { cause });
}

/** Whether the system says that there is no room. */
export const isFull = (error: unknown): boolean => FULL.has(codeOf(error) ?? '');

/** The system's code of an error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
