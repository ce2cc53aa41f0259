/** The operator as a process of its own, on the control plane of the tests: killed with -9 and started again as a Deployment would. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ControlPlane } from './control-plane.ts';
import { type ServerProcess, startServer } from './server-process.ts';

const MAIN = join(import.meta.dirname, '../../operator/main.ts');

/** Looks after one namespace, with a lease in it. Ended after the test. */
export function startOperator(t: TestContext, plane: ControlPlane, namespace: string, kubeconfig = plane.kubeconfig): ServerProcess {
  const options = { namespace, 'trainer-image': 'pggan-trainer:test', cluster: 'test', lease: `${namespace}/pggan-operator` };
  const more = { 'telemetry-port': 0, 'poll-seconds': 1 };
  const flags = Object.entries({ ...options, ...more }).map(([name, value]) => `--${name}=${value}`);
  const log = join(plane.folder, `operator-${namespace}.log`);
  const server = startServer('env', [`KUBECONFIG=${kubeconfig}`, process.execPath, MAIN, ...flags], log);
  t.after(() => server.kill());
  return server;
}
