/** Asks the Python world for a second opinion: TensorFlow, safetensors and onnxruntime, as `scripts/setup.mjs --judges` installs them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { lacking } from './lacking.ts';

const CACHE = process.env['PGGAN_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pggan-operator');

/**
 * Runs a Python program with `args` as sys.argv[1:] and returns what it prints; its failure is the test's failure. Where the judges are not
 * installed the test is skipped with the reason and undefined is returned; with CI=true that is a failure.
 */
export function judge(t: TestContext, python: string, args: readonly string[] = []): string | undefined {
  const packages = judgePackages(t);
  if (packages === undefined) return undefined;
  const env = { ...process.env, PYTHONPATH: packages, TF_CPP_MIN_LOG_LEVEL: '2', CUDA_VISIBLE_DEVICES: '-1' };
  return execFileSync('python3', ['-c', python, ...args], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
}

/**
 * The folder of Python packages to import the judges from. Where it is absent, a test that is given is skipped with the reason and undefined
 * is returned; with CI=true that is a failure.
 */
export function judgePackages(t?: TestContext): string | undefined {
  const packages = installed();
  if (packages !== undefined || t === undefined) return packages;
  const reason = `the Python judges are not installed in ${CACHE} (node scripts/setup.mjs --judges)`;
  return lacking(t, reason);
}

function installed(): string | undefined {
  if (!existsSync(CACHE)) return undefined;
  const folders = readdirSync(CACHE).filter((name) => name.startsWith('judges-'));
  return folders.map((name) => join(CACHE, name)).find((folder) => existsSync(join(folder, 'complete')));
}
