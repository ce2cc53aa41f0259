/** Asks the real tools how an object stands: kstatus itself, and Lua and CEL as we ship them for Argo CD and Flux (test/judges/kstatus). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { binary } from './binaries.ts';

const ROOT = join(import.meta.dirname, '../..');
export const ARGO = join(ROOT, 'gitops/argo-cd');
const FLUX = join(ROOT, 'gitops/flux/health-checks.yaml');

type Said = { readonly status: string; readonly message?: string };
/** What Argo CD offers, and the object as the action leaves it where it is not disabled. */
export type ArgoAction = { readonly disabled: boolean; readonly iconClass?: string; readonly result?: object };
export type Verdict = {
  readonly kstatus: Said;
  readonly argo: Said;
  readonly flux: Said;
  readonly actions: Readonly<Record<string, ArgoAction>>;
};

/** One verdict for each object, in their order. Where the judge has not been built the test is skipped, and undefined is returned. */
export function judgeHealth(t: Pick<TestContext, 'skip'>, objects: readonly object[]): readonly Verdict[] | undefined {
  const judge = binary(t, 'kstatus');
  if (judge === undefined) return undefined;
  const input = objects.map((object) => `${JSON.stringify(object)}\n`).join('');
  const { status, stdout, stderr, error } = spawnSync(judge, ['-argo', ARGO, '-flux', FLUX], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, `${stderr}${error ?? ''}`);
  const verdicts = stdout.trim().split('\n');
  assert.equal(verdicts.length, objects.length);
  return verdicts.map((line) => JSON.parse(line) as Verdict);
}
