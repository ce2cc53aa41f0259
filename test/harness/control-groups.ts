/** The control groups of a node's pods: in the one hierarchy of version 2, or in each of version 1. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const GROUPS = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd'];

/** Of version 1, a cpuset must be filled before it can be used. */
export function makeControlGroups(name: string): void {
  if (existsSync(join(GROUPS, 'cgroup.controllers'))) return void mkdirSync(join(GROUPS, name), { recursive: true });
  for (const controller of CONTROLLERS) mkdirSync(join(GROUPS, controller, name), { recursive: true });
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    writeFileSync(join(GROUPS, 'cpuset', name, file), readFileSync(join(GROUPS, 'cpuset', file)));
}

/**
 * Leaves a process no more memory than it takes in a moment in which it takes little, so that the kernel kills it when it takes more; what its
 * owner says of its limit stays as it is. Returns when it has ended.
 */
export async function squeezeMemory(pid: number): Promise<void> {
  const group = join(GROUPS, ...memoryGroupOf(pid));
  const [usage, limit] = existsSync(join(group, 'memory.max'))
    ? [join(group, 'memory.current'), join(group, 'memory.max')]
    : [join(group, 'memory.usage_in_bytes'), join(group, 'memory.limit_in_bytes')];
  while (existsSync(`/proc/${pid}`)) {
    try {
      writeFileSync(limit, String(Number(readFileSync(usage, 'utf8')) - SQUEEZE_BYTES));
    } catch {
      // Version 1 refuses what it cannot have back at once, and the group goes with its process.
    }
    await setTimeout(20);
  }
}

const SQUEEZE_BYTES = 4 << 20;

/** Its hierarchy and path below the root of all groups. */
function memoryGroupOf(pid: number): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  for (const line of lines) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers.split(',').includes('memory')) return ['memory', path];
  }
  return [lines.find((line) => line.startsWith('0::'))?.slice('0::'.length) ?? '/'];
}

/** With all that kubelets have made below it. Nothing may run there any more. */
export function removeControlGroups(name: string): void {
  const roots = [GROUPS, ...readdirSync(GROUPS).map((controller) => join(GROUPS, controller))].map((root) => join(root, name));
  for (const root of roots.filter((path) => existsSync(path))) {
    try {
      execFileSync('find', [root, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' });
    } catch {
      // Others remove theirs at the same time.
    }
  }
}
