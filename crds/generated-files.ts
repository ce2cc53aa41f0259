/** Files that are generated and committed: written, or held against what their source makes of them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** For a program whose only option is --check: with it nothing is written, and what is out of date makes it fail. */
export function settle(files: ReadonlyMap<string, string>): void {
  if (process.argv.includes('--check')) process.exitCode = check(files);
  else write(files);
}

/** The first lines in which `committed` differs from `expected`; empty when it does not. */
export function drift(committed: string, expected: string): readonly string[] {
  const [old, fresh] = [committed.split('\n'), expected.split('\n')];
  return Array.from({ length: Math.max(old.length, fresh.length) }, (_, index) => index)
    .filter((index) => old[index] !== fresh[index])
    .slice(0, 5)
    .flatMap((index) => [`  line ${index + 1}`, `  - ${old[index] ?? '(end of file)'}`, `  + ${fresh[index] ?? '(end of file)'}`]);
}

/** A file by its path in the repository; empty where there is none. */
export function read(path: string): string {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return '';
  }
}

function write(files: ReadonlyMap<string, string>): void {
  for (const [path, content] of files) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), content);
  }
}

function check(files: ReadonlyMap<string, string>): number {
  const stale = [...files].map(([path, content]) => ({ path, lines: drift(read(path), content) })).filter(({ lines }) => lines.length > 0);
  for (const { path, lines } of stale) console.error([`${path} is not what its source generates:`, ...lines].join('\n'));
  if (stale.length > 0) console.error('Run `npm run generate` and commit the result.');
  return stale.length > 0 ? 1 : 0;
}
