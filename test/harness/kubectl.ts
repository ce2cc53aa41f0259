/** Runs the real kubectl against a control plane. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { binary } from './binaries.ts';
import { type Command, commandOf } from './command.ts';
import type { ControlPlane } from './control-plane.ts';

export type Kubectl = Command;

/** kubectl as the admin of `plane`, or with another kubeconfig; undefined where it is absent (the test is skipped, with CI=true it fails). */
export function kubectl(t: TestContext, plane: ControlPlane, kubeconfig = plane.kubeconfig): Kubectl | undefined {
  const program = binary(t, 'kubectl');
  if (program === undefined) return undefined;
  return commandOf(program, [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(plane.folder, 'kubectl-cache')}`]);
}
