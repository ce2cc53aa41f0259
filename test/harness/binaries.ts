/** Finds the servers that tests start: in KUBEBUILDER_ASSETS, or in the cache where `scripts/binaries.mjs` builds them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type BinaryName, binaryPath } from '../../scripts/binaries.mjs';
import { lacking } from './lacking.ts';

/**
 * The path of an executable. Where it is absent the test is skipped with the reason and undefined is returned; with CI=true that is a failure.
 */
export function binary(t: Pick<TestContext, 'skip'>, name: BinaryName): string | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const path = [...(assets ? [join(assets, name)] : []), binaryPath(name)].find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  const reason = `${name} has not been built (node scripts/binaries.mjs ${name})`;
  return lacking(t, reason);
}
