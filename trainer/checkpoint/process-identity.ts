/** Names a process so that another one can tell, later, whether it still runs: a pid alone is used again. */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * `place` is where the pid has a meaning (this boot of this machine, this pid namespace: a container has its own);
 * `startTime` is that of /proc/<pid>/stat, in clock ticks since boot.
 */
export type ProcessIdentity = { readonly host: string; readonly place: string; readonly pid: number; readonly startTime: number };

/** The identity of this process. */
export function thisProcess(): ProcessIdentity {
  return { host: hostname(), place: thisPlace(), pid: process.pid, startTime: startTimeOf(process.pid) ?? 0 };
}

/** Whether a process runs still; `elsewhere` where this process cannot know. */
export function livenessOf(identity: Omit<ProcessIdentity, 'host'>): 'alive' | 'dead' | 'elsewhere' {
  const procIsReadable = startTimeOf(process.pid) !== undefined;
  if (identity.place !== thisPlace() || !procIsReadable) return 'elsewhere';
  return startTimeOf(identity.pid) === identity.startTime ? 'alive' : 'dead';
}

let place: string | undefined;

function thisPlace(): string {
  place ??= createHash('sha256').update(`${bootId()} ${pidNamespace()}`).digest('hex').slice(0, 16);
  return place;
}

function bootId(): string {
  return attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? hostname();
}

function pidNamespace(): string {
  return attempt(() => readlinkSync('/proc/self/ns/pid')) ?? '';
}

/** Start of a process; undefined where there is none, or only a zombie that waits for its parent. */
function startTimeOf(pid: number): number | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may hold anything; state is the third field, start time the 22nd.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return Number(fields[19]);
}

function attempt(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
