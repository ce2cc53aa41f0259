/** How much memory this process may use: its control group's limit (a pod's is that), or the machine's; and how much of it is free now. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { PgganError } from '../../crds/errors.ts';

/** Overrides what the system says, where that is wrong: a limit in bytes. */
const LIMIT_VARIABLE = 'PGGAN_MEMORY_LIMIT_BYTES';

export type MemoryLimit = {
  readonly bytes: number;
  /** Who sets it, in words. */
  readonly source: string;
  /** What the machine could still give without swapping; undefined where it does not tell. */
  readonly freeBytes: number | undefined;
};

/** Contents of a file, or undefined where it cannot be read. */
type ReadText = (path: string) => string | undefined;

/** @throws {PgganError} OptionsInvalid when the override is no number of bytes */
export function memoryLimit(
  env: Readonly<Record<string, string | undefined>> = process.env,
  read: ReadText = readText,
): MemoryLimit | undefined {
  const machineBytes = meminfo(read, 'MemTotal');
  const freeBytes = meminfo(read, 'MemAvailable');
  const given = env[LIMIT_VARIABLE];
  if (given !== undefined && given !== '') {
    const bytes = Number(given);
    if (!(bytes > 0 && Number.isFinite(bytes)))
      throw new PgganError('OptionsInvalid', `${LIMIT_VARIABLE} is '${given}': give a number of bytes`);
    return { bytes, source: LIMIT_VARIABLE, freeBytes };
  }
  const groupBytes = controlGroupLimit(read);
  if (groupBytes !== undefined && groupBytes < (machineBytes ?? Number.POSITIVE_INFINITY)) {
    return { bytes: groupBytes, source: "the control group's limit", freeBytes };
  }
  return machineBytes === undefined ? undefined : { bytes: machineBytes, source: "the machine's memory", freeBytes };
}

/** The least of the limits of this process's group and of all groups above it; undefined where none is set. */
function controlGroupLimit(read: ReadText): number | undefined {
  const limits = groupFiles(read('/proc/self/cgroup') ?? '').flatMap((file) => {
    const text = read(file)?.trim() ?? '';
    return /^\d+$/.test(text) ? [Number(text)] : [];
  });
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/**
 * Lines of /proc/self/cgroup (cgroups(7)) are `hierarchy:controllers:path`; version 2 is `0::path`. Inside a container the path may be one of
 * the host's that cannot be seen there, but the root of the mount is the container's own group.
 */
function groupFiles(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [, hierarchy, controllers = '', path = '/'] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy === '0' && controllers === '') return ancestors(path).map((group) => posix.join('/sys/fs/cgroup', group, 'memory.max'));
    if (!controllers.split(',').includes('memory')) return [];
    return ancestors(path).map((group) => posix.join('/sys/fs/cgroup/memory', group, 'memory.limit_in_bytes'));
  });
}

/** A path and all that it lies in, up to the root. */
function ancestors(path: string): readonly string[] {
  return path === '/' || path === '' ? ['/'] : [path, ...ancestors(posix.dirname(path))];
}

function meminfo(read: ReadText, name: string): number | undefined {
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(read('/proc/meminfo') ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
