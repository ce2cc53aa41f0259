// Writes package-lock.json after a change of package.json (`npm run lock`), without download addresses: the name of a registry's
// mirror has no place in it. Fails when the registry lacks a package for some platform, since `npm ci` would refuse such a lock file.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

rmSync('node_modules', { recursive: true, force: true });
rmSync('package-lock.json', { force: true });
execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--omit-lockfile-registry-resolved=false'], {
  stdio: 'inherit',
});
const { packages, ...lock } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const entry of Object.values(packages)) delete entry.resolved;
writeFileSync('package-lock.json', `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
const missing = Object.values(packages)
  .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
  .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
if (missing.length > 0) {
  process.stderr.write(`not in the registry: ${missing.join(', ')}\nchoose versions of their parents for which every platform is there\n`);
  process.exit(1);
}
