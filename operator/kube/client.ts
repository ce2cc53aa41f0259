/** The verbs of the Kubernetes API, typed and thin: what is sent is what was given, what fails is a KubeError. */
import type { Connection } from './connection.ts';
import { type ApiStatus, errorOfStatus, KubeError } from './errors.ts';
import { lines } from './lines.ts';
import { collectionPath, type KubeObject, type ObjectRef, objectPath, PODS, type Resource } from './resource.ts';
import { createTransport, type Forwarded, type HttpRequest, type TransportOptions } from './transport.ts';

type Call = { readonly signal?: AbortSignal | undefined };

type ListQuery = {
  /** All namespaces where absent. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
};
type ListPage<T> = { readonly items: readonly T[]; readonly resourceVersion: string; readonly continue?: string };

type WatchQuery = Omit<ListQuery, 'limit' | 'continue'> & {
  readonly resourceVersion: string;
  /** When the server is to end the watch. */
  readonly timeoutSeconds: number;
  /** When the connection counts as dead because nothing came, not even a bookmark. */
  readonly idleSeconds: number;
  /** Called when the server has agreed to the watch, which may be long before it says something. */
  readonly onOpen?: () => void;
};
/** A bookmark's object has a resourceVersion and nothing else. */
type WatchLine<T> = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T };

type CreateOptions = Call & {
  readonly fieldManager?: string;
  /** Everything but the storing: admission and validation have their say. */
  readonly dryRun?: boolean;
  /** Told what the server warns of, such as pods that its policies would refuse. */
  readonly onWarning?: (text: string) => void;
};
/** `force` takes fields from other managers: right for a controller that alone may own them, wrong for everything else. */
type ApplyOptions = Call & { readonly fieldManager: string; readonly force: boolean; readonly subresource?: 'status' };

export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };
export type Patch = { readonly merge: object } | { readonly json: readonly JsonPatchOperation[] };
type PatchOptions = Call & { readonly fieldManager?: string; readonly subresource?: 'status' };

type DeleteOptions = Call & {
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan';
  /** Only this very object: a successor of the same name is not deleted. */
  readonly uid?: string;
  readonly resourceVersion?: string;
};

export interface Kube {
  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, call?: Call): Promise<T>;
  /** One page, as new as the server has it: no resourceVersion is sent, so a lagging replica cannot answer with the past. */
  list<T extends KubeObject>(resource: Resource<T>, query?: ListQuery, call?: Call): Promise<ListPage<T>>;
  /** What happens after a resourceVersion, until the server ends it. @throws {KubeError} also for an ERROR in the stream */
  watch<T extends KubeObject>(resource: Resource<T>, query: WatchQuery, call?: Call): AsyncIterable<WatchLine<T>>;
  create<T extends KubeObject>(resource: Resource<T>, object: T, options?: CreateOptions): Promise<T>;
  /** Server-side apply: `fields` are all that this field manager wants; what it wanted before and leaves out now goes. */
  apply<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, fields: object, options: ApplyOptions): Promise<T>;
  /** With a `metadata.resourceVersion` in a merge patch it is conditional. */
  patch<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, patch: Patch, options?: PatchOptions): Promise<T>;
  delete(resource: Resource<KubeObject>, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** What a pod answers to GET `path` on a port of its own, through the API server. It is the pod's word, and of any size. */
  askPod(ref: ObjectRef, port: number, path: string, call?: Call): Promise<Forwarded>;
  /** Breaks every connection. */
  close(): Promise<void>;
}

export function createKube(connection: Connection, options: TransportOptions): Kube {
  const transport = createTransport(connection, options);
  const send = async <T>(request: HttpRequest): Promise<T> => (await transport.send(request)).body as T;

  return {
    get: (resource, ref, { signal } = {}) =>
      send({ verb: 'get', plural: resource.plural, method: 'GET', path: objectPath(resource, ref), signal }),

    async list(resource, { namespace, ...query } = {}, { signal } = {}) {
      const path = collectionPath(resource, namespace);
      const body = await send({ verb: 'list', plural: resource.plural, method: 'GET', path, query, signal });
      return pageOf(body, path);
    },

    async *watch(resource, { namespace, idleSeconds, onOpen, ...query }, { signal } = {}) {
      const path = collectionPath(resource, namespace);
      const watch = { ...query, watch: true, allowWatchBookmarks: true };
      const request = { verb: 'watch', plural: resource.plural, method: 'GET', path, query: watch, signal } as const;
      for await (const line of lines(transport.stream(request, idleSeconds, onOpen))) yield watchLineOf(line, path);
    },

    async create(resource, object, { signal, onWarning, dryRun, fieldManager } = {}) {
      const path = collectionPath(resource, object.metadata?.namespace);
      const query = { fieldManager, dryRun: dryRun ? 'All' : undefined };
      const { apiVersion, kind, plural } = resource;
      const request = { verb: 'create', plural, method: 'POST', path, query, body: { apiVersion, kind, ...object }, signal } as const;
      const { body, warnings } = await transport.send(request);
      for (const warning of warnings) onWarning?.(warning);
      return body as typeof object;
    },

    apply(resource, ref, fields, { signal, subresource, fieldManager, force }) {
      const { apiVersion, kind, plural } = resource;
      const metadata = { ...ref, ...('metadata' in fields && (fields.metadata as object)) };
      return send({
        verb: 'apply',
        plural,
        method: 'PATCH',
        path: objectPath(resource, ref, subresource),
        query: { fieldManager, force },
        contentType: 'application/apply-patch+yaml',
        body: { ...fields, apiVersion, kind, metadata },
        signal,
      });
    },

    patch: (resource, ref, patch, { signal, subresource, fieldManager } = {}) =>
      send({
        verb: 'patch',
        plural: resource.plural,
        method: 'PATCH',
        path: objectPath(resource, ref, subresource),
        query: { fieldManager },
        contentType: 'merge' in patch ? 'application/merge-patch+json' : 'application/json-patch+json',
        body: 'merge' in patch ? patch.merge : patch.json,
        signal,
      }),

    async delete(resource, ref, { signal, propagation, uid, resourceVersion } = {}) {
      const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        ...(propagation && { propagationPolicy: propagation }),
        ...(Object.keys(preconditions).length > 0 && { preconditions }),
      };
      await send({ verb: 'delete', plural: resource.plural, method: 'DELETE', path: objectPath(resource, ref), body, signal });
    },

    askPod({ namespace, name }, port, path, { signal } = {}) {
      const pod = objectPath(PODS, { namespace, name: `${name}:${port}` });
      return transport.forward({ verb: 'get', plural: 'pods/proxy', method: 'GET', path: `${pod}/proxy${path}`, signal });
    },

    close: () => transport.close(),
  };
}

type Listed = { readonly items?: unknown; readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string } };

function pageOf<T>(body: unknown, path: string): ListPage<T> {
  const { items, metadata } = (body ?? {}) as Listed;
  // Go writes an empty slice that was never made as null.
  if (!(items === null || Array.isArray(items)) || !metadata?.resourceVersion)
    throw new KubeError('Malformed', `list (${path}): the answer is no list`);
  return { items: items ?? [], resourceVersion: metadata.resourceVersion, ...(metadata.continue && { continue: metadata.continue }) };
}

function watchLineOf<T extends KubeObject>(line: string, path: string): WatchLine<T> {
  const { type, object } = parse(line, path);
  switch (type) {
    case 'ERROR': {
      const status = (object ?? {}) as ApiStatus;
      throw errorOfStatus(`watch (${path})`, status.code ?? 500, status);
    }
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      if ((object as T | undefined)?.metadata?.resourceVersion) return { type, object: object as T };
      throw new KubeError('Malformed', `watch (${path}): ${type} without a resourceVersion`);
    default:
      throw new KubeError('Malformed', `watch (${path}): an event of type ${String(type)}`);
  }
}

function parse(line: string, path: string): { readonly type?: unknown; readonly object?: unknown } {
  try {
    return (JSON.parse(line) ?? {}) as object;
  } catch (cause) {
    throw new KubeError('Malformed', `watch (${path}): a line that is no JSON`, { cause });
  }
}
