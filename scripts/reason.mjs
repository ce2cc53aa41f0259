// Why a step of set-up failed, in one line that names what is at fault: a program that is missing, or a folder that cannot be written.
import { cache } from './cache.mjs';

const REASONS = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'there is no room left',
  EDQUOT: 'there is no room left',
  ENOTDIR: 'a part of the path is a file',
};

/** @param {unknown} thrown what a step threw */
export function reasonOf(thrown) {
  const { code, path, syscall, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (code === 'ENOENT' && syscall?.startsWith('spawn')) return `${path} is not installed`;
  const reason = REASONS[code];
  if (reason === undefined || path === undefined) return message.split('\n')[0];
  const remedy = path.startsWith(cache) ? '; name a folder that can be written in PGGAN_CACHE' : '';
  return `${path} cannot be written: ${reason} (${code})${remedy}`;
}
