/** The operator as a process of its own, on the control plane of the tests: killed with -9 and started again as a Deployment would. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ControlPlane } from './control-plane.ts';
import type { Identity } from './pki.ts';
import { flags, type ServerProcess, startServer } from './server-process.ts';

const MAIN = join(import.meta.dirname, '../../operator/main.ts');

/** manifests/install.yaml. */
export const INSTALLED = readFileSync(join(import.meta.dirname, '../../manifests/install.yaml'), 'utf8');

/** Whom manifests/install.yaml gives its rights to. */
export const OPERATOR: Identity = {
  user: 'system:serviceaccount:pggan-system:pggan-operator',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:pggan-system'],
};

/** Looks after some namespaces, with the rights of manifests/install.yaml, which must have been applied. Ended after the test. */
export function startOperator(t: TestContext, plane: ControlPlane, ...namespaces: readonly [string, ...string[]]): ServerProcess {
  const log = join(plane.folder, `operator-${namespaces[0]}.log`);
  const server = operatorProcess(plane.kubeconfigOf(OPERATOR), log, { namespace: namespaces.join(), 'poll-seconds': 1 });
  t.after(() => server.kill());
  return server;
}

export type ProgramOptions = {
  /** The file that node runs: the sources, or what bundledOperator() made. */
  readonly program?: string;
  readonly nodeFlags?: readonly string[];
};

/** A process that talks to the API server of `kubeconfig`, appends what it says to the file `log` and tells its metrics at some free port. */
export function operatorProcess(
  kubeconfig: string,
  log: string,
  more: Parameters<typeof flags>[0],
  { program = MAIN, nodeFlags = [] }: ProgramOptions = {},
): ServerProcess {
  const all = flags({ 'trainer-image': 'pggan-trainer:test', cluster: 'test', 'telemetry-port': 0, ...more });
  return startServer('env', [`KUBECONFIG=${kubeconfig}`, process.execPath, ...nodeFlags, program, ...all], log);
}
