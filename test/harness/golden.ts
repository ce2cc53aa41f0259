/** Finds the golden cases of the networks: numbers of the reference implementation, outside the repository. */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type GoldenCase, readGoldenCase } from '../../trainer/golden/case.ts';
import { shared } from './shared.ts';

export const GOLDEN_CASES = ['a_base', 'b_labels3', 'c_unfused', 'd2_nopixelnorm'] as const;

/** The golden case of that name, or undefined where it is absent and the test skipped (a failure with CI=true). */
export function goldenCase(t: TestContext, name: (typeof GOLDEN_CASES)[number]): GoldenCase | undefined {
  const path = shared(t, `golden/${name}.safetensors`);
  return path === undefined ? undefined : readGoldenCase(readFileSync(path), path);
}
