/** Finds the data that tests may read but the repository does not hold: golden numbers and radiographs, in ../shared or PGGAN_SHARED. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { lacking } from './lacking.ts';

const SHARED = resolve(process.env['PGGAN_SHARED'] ?? resolve(import.meta.dirname, '../../../shared'));

/**
 * The path of `relative` inside the shared folder. Where it is absent the test is skipped with the reason and undefined is returned;
 * with CI=true that is a failure.
 */
export function shared(t: TestContext, relative: string): string | undefined {
  const path = resolve(SHARED, relative);
  if (existsSync(path)) return path;
  const reason = `${path} is not there (set PGGAN_SHARED)`;
  return lacking(t, reason);
}
