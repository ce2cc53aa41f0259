/** Runs the real Helm, with nothing of the person whose machine it is. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
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

/** What Helm renders for a release pggan-operator. */
export async function template(run: Command, values: object, namespace = 'pggan-system', ...more: readonly string[]): Promise<string> {
  const args = ['template', 'pggan-operator', CHART, '--namespace', namespace, '--values', '-', ...more];
  const { code, stdout, stderr } = await run(args, JSON.stringify(values));
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

/** An object of a rendered manifest, as far as it is read. */
export type Rendered = {
  readonly kind: string;
  readonly metadata: { readonly name?: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: object;
  readonly data?: Readonly<Record<string, string>>;
};

export function objectsIn(rendered: string): readonly Rendered[] {
  return parseAllDocuments(rendered).map((document) => document.toJS() as Rendered);
}
