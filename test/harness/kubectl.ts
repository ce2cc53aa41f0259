/** Runs the real kubectl against a control plane. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { binary } from './binaries.ts';
import type { ControlPlane } from './control-plane.ts';

export type Kubectl = {
  /** Runs it with `input` on its standard input. Its code is part of the answer: refusals are what tests ask for. */
  (args: readonly string[], input?: string): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
};

/** kubectl as the admin of `plane`, or with another kubeconfig; undefined where it is absent (the test is skipped, with CI=true it fails). */
export function kubectl(t: TestContext, plane: ControlPlane, kubeconfig = plane.kubeconfig): Kubectl | undefined {
  const program = binary(t, 'kubectl');
  if (program === undefined) return undefined;
  const common = [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(plane.folder, 'kubectl-cache')}`];
  return async (args, input = '') => {
    const child = spawn(program, [...common, ...args], { env: { PATH: process.env['PATH'] } });
    child.stdin.on('error', () => {}); // It may end without having read its input.
    child.stdin.end(input);
    const ended = new Promise<number | null>((done, failed) => void child.once('error', failed).once('close', done));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, stdout, stderr };
  };
}
