/** The operator's own client and reflector, against the control plane of the tests. */
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { createKube, type Kube } from '../../operator/kube/client.ts';
import { type Connection, connectionOf } from '../../operator/kube/connection.ts';
import type { KubeErrorCode } from '../../operator/kube/errors.ts';
import { createReflector, type Reflector } from '../../operator/kube/reflector.ts';
import { CONFIG_MAPS, type ConfigMap } from '../../operator/kube/resource.ts';
import type { TransportOptions } from '../../operator/kube/transport.ts';
import type { ControlPlane } from './control-plane.ts';
import { controlPlane, freshNamespace } from './shared-control-plane.ts';

export type Scene = { readonly plane: ControlPlane; readonly kube: Kube; readonly namespace: string };

/** A namespace of its own for a test, and the admin's client; undefined where there is no API server to be had (the test is skipped). */
export async function scene(t: TestContext): Promise<Scene | undefined> {
  const plane = await controlPlane(t);
  if (plane === undefined) return undefined;
  return { plane, kube: await openKube(t, plane), namespace: await freshNamespace(plane.admin) };
}

type Opened = Partial<Connection> & Partial<TransportOptions> & { readonly kubeconfig?: string };

/** A client that is closed after the test: the admin's unless another kubeconfig or connection is given. */
export async function openKube(t: TestContext, plane: ControlPlane, given: Opened = {}): Promise<Kube> {
  const config = new KubeConfig();
  config.loadFromFile(given.kubeconfig ?? plane.kubeconfig);
  const kube = createKube({ ...(await connectionOf(config)), ...given }, { userAgent: 'pggan-operator-test', ...given });
  t.after(() => kube.close());
  return kube;
}

type Followed = { readonly reflector: Reflector<ConfigMap>; readonly failures: readonly KubeErrorCode[] };

/** Reflects the ConfigMaps of a namespace until the test ends, impatiently; returns when it has synced. */
export async function follow(t: TestContext, kube: Kube, namespace: string): Promise<Followed> {
  const failures: KubeErrorCode[] = [];
  const reflector = createReflector<ConfigMap, ConfigMap>({
    kube,
    resource: CONFIG_MAPS,
    namespace,
    backoff: { minSeconds: 0.001, maxSeconds: 0.1 },
    project: (object) => object,
    onChange: () => {},
    onError: ({ code }) => void failures.push(code),
  });
  const stop = new AbortController();
  const run = reflector.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await run;
  });
  await reflector.synced;
  return { reflector, failures };
}

/** True where the store holds exactly what the server lists. */
export async function sameAsListed({ store }: Reflector<ConfigMap>, kube: Kube, namespace: string): Promise<boolean> {
  const { items } = await kube.list(CONFIG_MAPS, { namespace });
  return versions(items) === versions(store.list());
}

function versions(objects: readonly ConfigMap[]): string {
  return objects
    .map(({ metadata }) => `${metadata?.uid} ${metadata?.resourceVersion}`)
    .sort()
    .join();
}

/** Returns when `condition` holds: for what can only be looked at again and again. The test's own timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(10);
}
