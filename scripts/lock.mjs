// Writes package-lock.json after a change of package.json (`npm run lock`), without download addresses: the name of a registry's
// mirror has no place in it. Works in a folder of its own, since what is installed here would colour the result. Fails when the registry
// lacks a package for some platform: `npm ci` would refuse such a lock file.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const work = mkdtempSync(join(tmpdir(), 'pggan-lock-'));
try {
  copyFileSync('package.json', join(work, 'package.json'));
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--omit-lockfile-registry-resolved=false'], {
    cwd: work,
    stdio: 'inherit',
  });
  const { packages, ...lock } = JSON.parse(readFileSync(join(work, 'package-lock.json'), 'utf8'));
  for (const entry of Object.values(packages)) delete entry.resolved;
  const missing = Object.values(packages)
    .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
  if (missing.length > 0) {
    throw new Error(`not in the registry: ${missing.join(', ')}; choose versions of their parents for which every platform is there`);
  }
  writeFileSync('package-lock.json', `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
