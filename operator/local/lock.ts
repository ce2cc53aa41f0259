/** One driver per run folder: a lock file that names its process by pid and start time, so that a dead driver's lock is told from a live one's. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { onDisk } from './file-errors.ts';

const FILE = 'pggan-driver.json';

type Holder = { readonly pid: number; readonly startTime: number };

/**
 * Takes the lock of a run folder and returns what gives it back. Folders that were made for it and are still empty then are removed.
 * @throws {PgganError} RunOwned while another driver lives; StoreFull, StoreUnavailable where the folder cannot be written
 */
export function lockRun(folder: string): () => void {
  return onDisk(folder, () => takeLock(folder));
}

function takeLock(folder: string): () => void {
  const made = mkdirSync(folder, { recursive: true });
  const path = join(folder, FILE);
  const mine = `${path}.${process.pid}`;
  const text = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) ?? 0 });
  writeFileSync(mine, text);
  try {
    // A link is made whole or not at all: no one reads a half-written lock.
    while (!linked(mine, path)) evict(path, folder);
  } finally {
    rmSync(mine, { force: true });
  }
  return () => {
    if (read(path) === text) rmSync(path, { force: true });
    if (made !== undefined) removeEmpty(folder, made);
  };
}

/** Removes `folder` and its parents up to `last`, as far as they are empty. */
function removeEmpty(folder: string, last: string): void {
  try {
    for (let path = folder; path.startsWith(last); path = dirname(path)) rmdirSync(path);
  } catch {
    // It holds something: a run.
  }
}

/** The process that drives a run, or undefined. */
export function driverOf(folder: string): number | undefined {
  const holder = parse(read(join(folder, FILE)));
  return holder && isAlive(holder) ? holder.pid : undefined;
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead driver's lock aside. Should another process have replaced it in between, its lock is put back. */
function evict(path: string, folder: string): void {
  const seen = read(path);
  if (seen === undefined) return;
  const holder = parse(seen);
  if (holder && isAlive(holder)) {
    throw new PgganError(
      'RunOwned',
      `${folder} is driven by process ${holder.pid} already: watch it with \`pggan status\`, or stop it first`,
    );
  }
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // Another process was quicker.
  }
  if (read(aside) !== seen) linked(aside, path);
  rmSync(aside, { force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function parse(text: string | undefined): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('startTime' in value)) return undefined;
    return typeof value.pid === 'number' && typeof value.startTime === 'number'
      ? { pid: value.pid, startTime: value.startTime }
      : undefined;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, startTime }: Holder): boolean {
  return startTimeOf(pid) === startTime;
}

/** Field 22 of /proc/<pid>/stat, in clock ticks since boot; undefined for a process that is gone or a zombie. */
function startTimeOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : Number(fields[19]);
}
