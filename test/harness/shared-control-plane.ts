/** The one control plane that all tests of a process share, with our kinds installed; each test works in a namespace of its own. */
import { after, type TestContext } from 'node:test';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parse } from 'yaml';
import type { ApiClient } from './api-client.ts';
import { binary } from './binaries.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

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

const CRDS = join(import.meta.dirname, '../../crds');
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Creates the generated CustomResourceDefinitions and returns once their objects are served. @throws where the API server refuses one */
export async function installKinds(admin: ApiClient): Promise<void> {
  const files = readdirSync(CRDS).filter((file) => file.endsWith('.yaml'));
  await installDefinitions(
    admin,
    files.map((file) => parse(readFileSync(join(CRDS, file), 'utf8')) as Definition),
  );
}

/** Creates definitions and returns once their objects are served. @throws where the API server refuses one */
export async function installDefinitions(admin: ApiClient, definitions: readonly Definition[]): Promise<void> {
  for (const definition of definitions) {
    const { status, body, warnings } = await admin.send('POST', `${DEFINITIONS}?fieldValidation=Strict`, definition);
    if (status !== 201 || warnings.length > 0)
      throw new Error(`${definition.metadata.name}: ${status} ${JSON.stringify({ warnings, body })}`);
  }
  for (const { metadata, spec } of definitions) {
    while (!(await established(admin, metadata.name))) await setTimeout(25);
    // Its handler is put up a moment after the condition is.
    for (const { name } of spec.versions.filter(({ served }) => served)) {
      while ((await admin.send('GET', `/apis/${spec.group}/${name}/${spec.names.plural}?limit=1`)).status !== 200) await setTimeout(25);
    }
  }
}

type Definition = {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};

async function established(admin: ApiClient, name: string): Promise<boolean> {
  const { body } = await admin.send('GET', `${DEFINITIONS}/${name}`);
  return (body as Definition).status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
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
