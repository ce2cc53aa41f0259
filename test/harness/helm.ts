/** Runs the real Helm, with nothing of the person whose machine it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { binary } from './binaries.ts';
import { type Command, commandOf } from './command.ts';

export const CHART = join(import.meta.dirname, '../../helm/pggan-operator');

/** Helm, with the rights of a kubeconfig or without a cluster; undefined where it is absent (the test is skipped, with CI=true it fails). */
export function helm(t: TestContext, kubeconfig = '/dev/null'): Command | undefined {
  const program = binary(t, 'helm');
  if (program === undefined) return undefined;
  const home = mkdtempSync(join(tmpdir(), 'pggan-helm-'));
  t.after(() => rmSync(home, { recursive: true, force: true, maxRetries: 3 }));
  return commandOf(program, [], { HOME: home, KUBECONFIG: kubeconfig });
}
