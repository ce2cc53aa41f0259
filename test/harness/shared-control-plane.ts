/** The one control plane that all tests of a process share, with our kinds installed; each test works in a namespace of its own. */
import { after, type TestContext } from 'node:test';
import type { ApiClient } from './api-client.ts';
import { binary } from './binaries.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { installKinds } from './install-kinds.ts';

let shared: Promise<ControlPlane> | undefined;
after(async () => {
  // Where it did not start, every test has said so.
  await (await shared?.catch(() => undefined))?.stop();
});

/**
 * A control plane, started for the first test that asks and stopped after the last. Where its binaries are absent the test is skipped with the
 * reason and undefined is returned; with CI=true that is a failure.
 */
export async function controlPlane(t: TestContext): Promise<ControlPlane | undefined> {
  const [etcd, apiServer] = [binary(t, 'etcd'), binary(t, 'kube-apiserver')];
  if (etcd === undefined || apiServer === undefined) return undefined;
  shared ??= start({ etcd, apiServer });
  return shared;
}

async function start(binaries: Parameters<typeof startControlPlane>[0]): Promise<ControlPlane> {
  const started = await startControlPlane(binaries);
  await installKinds(started.admin);
  return started;
}

/** Pod security levels as a namespace enforces them. */
type PodSecurity = 'privileged' | 'baseline' | 'restricted';

/** A fresh namespace, with the default service account that a controller would have made. It goes with the control plane. */
export async function freshNamespace(admin: ApiClient, podSecurity: PodSecurity = 'restricted'): Promise<string> {
  const levels = ['enforce', 'warn', 'audit'].map((mode) => [`pod-security.kubernetes.io/${mode}`, podSecurity]);
  const metadata = { generateName: 'test-', labels: Object.fromEntries(levels) as Record<string, string> };
  const { status, body } = await admin.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
  if (status !== 201) throw new Error(`no namespace: ${JSON.stringify(body)}`);
  const { name } = (body as { metadata: { name: string } }).metadata;
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await admin.send('POST', `/api/v1/namespaces/${name}/serviceaccounts`, account);
  return name;
}
