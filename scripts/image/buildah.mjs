// buildah with a store of its own below the cache, and what its containers see of this machine: how registries are reached, and what has been
// fetched from them before.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cache } from '../cache.mjs';

const store = join(cache, 'buildah');

/** Runs it and returns what it printed. @throws with the end of what it said */
export function buildah(args) {
  mkdirSync(store, { recursive: true });
  try {
    return execFileSync(
      'buildah',
      ['--root', join(store, 'storage'), '--runroot', join(store, 'run'), '--storage-driver', 'overlay', ...args],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        stdio: ['ignore', 'pipe', 'pipe'],
        // Without an engine, and inside of containers: no namespaces but those of chroot.
        env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
      },
    );
  } catch (cause) {
    throw new Error(`buildah ${args[0]} failed: ${String(cause.stderr || cause.stdout || cause.message).slice(-4000)}`, { cause });
  }
}

/** A program is not here. */
export class NotInstalled extends Error {}

/** @throws {NotInstalled} */
export function refuseWithout(program) {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
  } catch (cause) {
    throw new NotInstalled(`images are built with ${program}, which is not installed (Debian and Ubuntu: apt-get install ${program})`, {
      cause,
    });
  }
}

/** buildah leaves its store mounted over itself. */
export function releaseStore() {
  try {
    execFileSync('umount', [join(store, 'storage/overlay')], { stdio: 'ignore' });
  } catch {
    // It was not mounted, or somebody else is building.
  }
}

const npm = (key) => execFileSync('npm', ['config', 'get', key], { encoding: 'utf8', cwd: homedir() }).trim();

/** Options of `buildah bud`, at the places that the Dockerfiles name in their environment: nothing that they show ends up in an image. */
export function mountsOf() {
  const seen = [
    [cache, '/opt/pggan', ''],
    [npm('cache'), '/opt/npm/cache', ''],
    [npm('userconfig'), '/opt/npm/npmrc', ':ro'],
    [npm('globalconfig'), '/usr/local/etc/npmrc', ':ro'],
    ['/etc/pip.conf', '/etc/pip.conf', ':ro'],
    ['/etc/ssl/certs/ca-certificates.crt', '/etc/ssl/certs/ca-certificates.crt', ':ro'],
  ];
  return seen.filter(([from]) => existsSync(from)).map(([from, to, mode]) => `--volume=${from}:${to}${mode}`);
}
