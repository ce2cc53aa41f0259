/** The operator as a process of its own, on the control plane of the tests: killed with -9 and started again as a Deployment would. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ControlPlane } from './control-plane.ts';
import type { Identity } from './pki.ts';
import { type ServerProcess, startServer } from './server-process.ts';

const MAIN = join(import.meta.dirname, '../../operator/main.ts');

/** Whom manifests/install.yaml gives its rights to. */
export const OPERATOR: Identity = {
  user: 'system:serviceaccount:pggan-system:pggan-operator',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:pggan-system'],
};

/** Looks after some namespaces, with the rights of manifests/install.yaml, which must have been applied. Ended after the test. */
export function startOperator(t: TestContext, plane: ControlPlane, ...namespaces: readonly [string, ...string[]]): ServerProcess {
  const kubeconfig = plane.kubeconfigOf(OPERATOR);
  const options = { namespace: namespaces.join(), 'trainer-image': 'pggan-trainer:test', cluster: 'test' };
  const more = { 'telemetry-port': 0, 'poll-seconds': 1 };
  const flags = Object.entries({ ...options, ...more }).map(([name, value]) => `--${name}=${value}`);
  const log = join(plane.folder, `operator-${namespaces[0]}.log`);
  const server = startServer('env', [`KUBECONFIG=${kubeconfig}`, process.execPath, MAIN, ...flags], log);
  t.after(() => server.kill());
  return server;
}
