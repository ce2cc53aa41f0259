/** The control groups of a node's pods: in the one hierarchy of version 2, or in each of version 1. */
import { execFileSync, spawn } from 'node:child_process';
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
 * Has the kernel kill a process for want of memory: limits its group to little more than it takes, and brings in a stranger who takes the rest, and
 * less than the process, which is therefore the one to be killed. What its owner says of its limit stays as it is. Returns when it has ended.
 */
export async function exhaustMemory(pid: number): Promise<void> {
  const group = join(GROUPS, ...memoryGroupOf(pid));
  const [usage, limit] = existsSync(join(group, 'memory.max'))
    ? [join(group, 'memory.current'), join(group, 'memory.max')]
    : [join(group, 'memory.usage_in_bytes'), join(group, 'memory.limit_in_bytes')];
  writeFileSync(limit, String(Number(readFileSync(usage, 'utf8')) + MARGIN_BYTES));
  const stranger = spawn(process.execPath, ['-e', STRANGER, join(group, 'cgroup.procs')], { stdio: 'ignore' });
  while (existsSync(`/proc/${pid}`)) {
    if (stranger.exitCode !== null || stranger.signalCode !== null) throw new Error(`who was to take its memory has ended before it`);
    await setTimeout(20);
  }
  stranger.kill('SIGKILL');
}

const MARGIN_BYTES = 64 << 20;
const STRANGER = `
const { writeFileSync } = require('node:fs');
writeFileSync(process.argv[1], String(process.pid));
const held = [];
setInterval(() => held.push(Buffer.alloc(16 << 20, 1)), 20);`;

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
