/** The control groups of a node's pods: in the one hierarchy of version 2, or in each of version 1. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const GROUPS = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd'];

/** Of version 1, a cpuset must be filled before it can be used. */
export function makeControlGroups(name: string): void {
  if (existsSync(join(GROUPS, 'cgroup.controllers'))) return void mkdirSync(join(GROUPS, name), { recursive: true });
  for (const controller of CONTROLLERS) mkdirSync(join(GROUPS, controller, name), { recursive: true });
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    writeFileSync(join(GROUPS, 'cpuset', name, file), readFileSync(join(GROUPS, 'cpuset', file)));
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
