// Sees to it that programs of the system are there: `node scripts/system.mjs NAME...`. Installs them by apt where that can be done; elsewhere it
// says what is missing, and with CI=true fails. Plain JavaScript for Node 20 without dependencies.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { log } from './cache.mjs';

/** How a program is recognised, and the Debian package that has it. */
const PROGRAMS = {
  buildah: { file: 'buildah' },
  cni: { file: '/usr/lib/cni/bridge', package: 'containernetworking-plugins' },
  containerd: { file: 'containerd' },
  debootstrap: { file: 'debootstrap' },
  ip: { file: 'ip', package: 'iproute2' },
  iptables: { file: 'iptables' },
  runc: { file: 'runc' },
};

function isThere({ file }) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return file.startsWith('/') ? existsSync(file) : folders.some((folder) => existsSync(join(folder, file)));
}

function install(packages) {
  log(`installing ${packages.join(', ')}`);
  const options = { stdio: ['ignore', 'ignore', 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  execFileSync('apt-get', ['update', '-qq'], options);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
}

const missing = process.argv.slice(2).filter((name) => !isThere(PROGRAMS[name] ?? { file: name }));
const packages = missing.map((name) => PROGRAMS[name]?.package ?? name);
if (missing.length > 0) {
  try {
    if (process.getuid?.() !== 0) throw new Error('only root may install it');
    install(packages);
  } catch (error) {
    log(`missing: ${missing.join(', ')} (Debian and Ubuntu: apt-get install ${packages.join(' ')}): ${error.message.split('\n')[0]}`);
    if (process.env.CI === 'true') process.exit(1);
  }
}
