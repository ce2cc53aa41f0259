/** Set-up's words for what went wrong: the true reason, not the nearest one. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cache } from '../scripts/cache.mjs';
import { reasonOf } from '../scripts/reason.mjs';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return assert.fail('it did not fail');
}

test('a program that is missing is called so, and a folder that cannot be made is not', () => {
  assert.equal(reasonOf(thrownBy(() => execFileSync('/nowhere/compiler', ['x.cc']))), '/nowhere/compiler is not installed');
  const inFile = `${import.meta.filename}/folder`;
  assert.equal(
    reasonOf(thrownBy(() => mkdirSync(inFile, { recursive: true }))),
    `${inFile} cannot be written: a part of the path is a file (ENOTDIR)`,
  );
});

test('a cache that cannot be written is named, with the reason and the variable that names another', () => {
  const file = `${cache}/lock`;
  for (const [code, reason] of Object.entries({ EROFS: 'the file system is read-only', EACCES: 'this user may not write there' })) {
    const error = Object.assign(new Error(`${code}: open '${file}'`), { code, path: file, syscall: 'open' });
    assert.equal(reasonOf(error), `${file} cannot be written: ${reason} (${code}); name a folder that can be written in PGGAN_CACHE`);
  }
});

test('any other failure is told by the first line of its message', () => {
  assert.equal(reasonOf(new Error('Command failed: g++ -O2\nx.cc:1: error')), 'Command failed: g++ -O2');
});

test('images are not built on a base of a registry that is not named by digest', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  for (const base of ['docker.io/library/node:24-bookworm', 'localhost:5000/node:24', 'node', 'docker.io/library/node@sha256:12'])
    assert.match(saidOfBase(base), /BUILD_BASE is .*: name it by digest, as in .*@sha256:\.\.\./, base);
  for (const base of ['localhost/base:1', `docker.io/library/node@${digest}`, `docker.io/library/node:24@${digest}`, ''])
    assert.doesNotMatch(saidOfBase(base), /BUILD_BASE is/, base);
});

/** Of an image that does not exist: whatever the base is, nothing is built. */
function saidOfBase(base: string): string {
  const args = [join(import.meta.dirname, '../scripts/images.mjs'), 'no-such-image'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, BUILD_BASE: base } });
  assert.equal(status, 1);
  return stderr;
}
