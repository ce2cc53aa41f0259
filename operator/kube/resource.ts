/** The kinds that the operator reads and writes, and where the API server keeps them. */
import type { EventsV1Event, V1ConfigMap, V1Job, V1Lease, V1ObjectMeta, V1Pod } from '@kubernetes/client-node';

/**
 * An object as it travels: client-node's types, readonly, but for times, which stay the strings of the wire (client-node's own serializer,
 * which is not used here, would make Dates of them and cut the microseconds of a MicroTime).
 */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Wire<Item>[]
    : T extends object
      ? // JSON leaves out what is undefined: that is as good as missing.
        { readonly [K in keyof T]: undefined extends T[K] ? Wire<T[K]> | undefined : Wire<T[K]> }
      : T;

type ObjectMeta = Wire<V1ObjectMeta>;
export type KubeObject = {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata?: ObjectMeta | undefined;
};

export type Job = Wire<V1Job>;
export type Pod = Wire<V1Pod>;
export type ConfigMap = Wire<V1ConfigMap>;
export type Lease = Wire<V1Lease>;
export type Event = Wire<EventsV1Event>;

/** Where objects of one kind are found. All kinds here are namespaced. `T` is what comes back. */
export type Resource<T extends KubeObject> = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** Never there: it carries the type. */
  readonly object?: T;
};

export type ObjectRef = { readonly namespace: string; readonly name: string };

export const CONFIG_MAPS: Resource<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' };
export const PODS: Resource<Pod> = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' };
export const JOBS: Resource<Job> = { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs' };
export const LEASES: Resource<Lease> = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases' };
export const EVENTS: Resource<Event> = { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events' };

/** The path of a collection: of one namespace, or of all. */
export function collectionPath({ apiVersion, plural }: Resource<KubeObject>, namespace?: string): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return namespace === undefined ? `${group}/${plural}` : `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

export function objectPath(resource: Resource<KubeObject>, { namespace, name }: ObjectRef, subresource?: 'status'): string {
  const path = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** "namespace/name": what queues and stores know an object by. */
export function keyOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

export function refOf(key: string): ObjectRef {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
