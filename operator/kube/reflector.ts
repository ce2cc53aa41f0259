/**
 * Keeps a store equal to what the API server has, as kube-rs' watcher and reflector do.
 * It survives a server that forgets (410 as a status, in the stream or between two pages: list again), breaks off, is overloaded (backoff, and
 * Retry-After) or goes silent (no byte for a while: connect again), objects that vanish while nobody looks (a list deletes what it lacks), and
 * events that never come (it lists again now and then). A reader sees an old truth meanwhile, never half of a new one.
 */
import { type BackoffOptions, createBackoff, jittered } from './backoff.ts';
import type { Kube } from './client.ts';
import { type Clock, sleep, systemClock } from './clock.ts';
import { asKubeError, isKubeError, KubeError } from './errors.ts';
import type { KubeObject, Resource } from './resource.ts';
import { type Change, createStore, type Store } from './store.ts';

/** Where a reflector stands. `resourceVersion` is the last moment of the cluster that it knows everything of. */
export type ReflectorState =
  /** Knows nothing that can be gone on from. `paged` is false after a list ran out of time between pages: it then comes in one piece. */
  | { readonly kind: 'Empty'; readonly paged: boolean }
  /** Has read some pages of a list. */
  | { readonly kind: 'InitPage'; readonly continue: string; readonly pages: number }
  /** Has read a whole list, which is in the store. */
  | { readonly kind: 'InitListed'; readonly resourceVersion: string }
  /** Hears of every change. */
  | { readonly kind: 'Watching'; readonly resourceVersion: string };

export type ReflectorOptions<T extends KubeObject, P extends KubeObject> = {
  readonly kube: Pick<Kube, 'list' | 'watch'>;
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly labelSelector?: string;
  /** Keeps of an object what is read: what is dropped here is never held in memory. */
  readonly project: (object: T) => P;
  /** Labels by which the store can be asked. */
  readonly labels?: readonly string[];
  /** Keys of the objects that one refers to: the store can be asked the other way round. */
  readonly refersTo?: (object: P) => readonly string[];
  /** Must not throw: give a key to a queue and be done. */
  readonly onChange: (change: Change<P>) => void;
  /** Told of every failure and what follows it; the reflector itself goes on. */
  readonly onError?: (error: KubeError, next: { readonly state: ReflectorState['kind']; readonly waitSeconds: number }) => void;
  readonly pageSize?: number;
  readonly backoff?: BackoffOptions;
  /** A watch is ended by the server after once to twice this long, so that watches do not all end together. */
  readonly watchSeconds?: number;
  /** API servers send a bookmark a minute: two and a half minutes without any byte are a dead connection. */
  readonly idleSeconds?: number;
  /** Lists again when a watch ends and the last list is older than about this. */
  readonly relistSeconds?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
};

export interface Reflector<P> {
  readonly store: Store<P>;
  readonly state: ReflectorState;
  /** Resolves when the store has held a whole list for the first time. */
  readonly synced: Promise<void>;
  /** Seconds since the server was last heard of: a list, an event or a bookmark. */
  staleSeconds(): number;
  /** Reflects until `signal` is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createReflector<T extends KubeObject, P extends KubeObject>(options: ReflectorOptions<T, P>): Reflector<P> {
  const { kube, resource, namespace, labelSelector, project, onChange, onError, clock = systemClock, random = Math.random } = options;
  const { pageSize = 500, watchSeconds = 300, idleSeconds = 150, relistSeconds = 3600 } = options;
  const { store, writer } = createStore<P>(options.labels, options.refersTo);
  const synced = Promise.withResolvers<void>();
  const { minSeconds, maxSeconds } = options.backoff ?? { minSeconds: 0.8, maxSeconds: 30 };
  const backoff = createBackoff({ minSeconds, maxSeconds }, random);
  const selection = { namespace, labelSelector };
  let state: ReflectorState = { kind: 'Empty', paged: true };
  let listed: P[] = [];
  let relistAt = 0;
  let lastSeen = clock.seconds();

  async function list(paged: boolean, from: string | undefined, pages: number, signal: AbortSignal): Promise<ReflectorState> {
    const limit = paged ? pageSize : undefined;
    const page = await kube.list(resource, { ...selection, limit, continue: from }, { signal });
    lastSeen = clock.seconds();
    if (from === undefined) listed = [];
    for (const object of page.items) listed.push(project(object));
    if (page.continue !== undefined) return { kind: 'InitPage', continue: page.continue, pages: pages + 1 };
    relistAt = clock.seconds() + jittered(relistSeconds, 0.1, random);
    emit(writer.replace(listed.splice(0)));
    synced.resolve();
    return { kind: 'InitListed', resourceVersion: page.resourceVersion };
  }

  async function watch(resourceVersion: string, signal: AbortSignal): Promise<ReflectorState> {
    const timeoutSeconds = Math.round(watchSeconds * (1 + random()));
    const started = clock.seconds();
    let heard = false;
    const onOpen = (): void => void (lastSeen = clock.seconds());
    const query = { ...selection, resourceVersion, timeoutSeconds, idleSeconds, onOpen };
    for await (const { type, object } of kube.watch(resource, query, { signal })) {
      lastSeen = clock.seconds();
      if (type === 'DELETED') emit(writer.delete(project(object)));
      else if (type !== 'BOOKMARK') emit(writer.apply(project(object)));
      state = { kind: 'Watching', resourceVersion: object.metadata?.resourceVersion ?? resourceVersion };
      if (!heard) backoff.reset();
      heard = true;
    }
    if (!heard && clock.seconds() - started < 1) throw new KubeError('Dropped', `watch of ${resource.plural}: ended as soon as it began`);
    backoff.reset();
    if (clock.seconds() >= relistAt) return { kind: 'Empty', paged: true };
    return state;
  }

  function emit(changes: readonly Change<P>[]): void {
    for (const change of changes) onChange(change);
  }

  function step(signal: AbortSignal): Promise<ReflectorState> {
    switch (state.kind) {
      case 'Empty':
        return list(state.paged, undefined, 0, signal);
      case 'InitPage':
        return list(true, state.continue, state.pages, signal);
      case 'InitListed':
      case 'Watching':
        return watch(state.resourceVersion, signal);
    }
  }

  async function recover(thrown: unknown, lastedSeconds: number, signal: AbortSignal): Promise<void> {
    const error = asKubeError(thrown);
    // What held for longer than the longest wait, such as a watch that fell silent, has nothing to do with the failures before it.
    if (lastedSeconds >= maxSeconds) backoff.reset();
    state = afterError(state, error);
    const waitSeconds = Math.max(backoff.next(), error.retryAfterSeconds ?? 0);
    onError?.(error, { state: state.kind, waitSeconds });
    await sleep(clock, waitSeconds, signal);
  }

  return {
    store,
    get state() {
      return state;
    },
    synced: synced.promise,
    staleSeconds: () => clock.seconds() - lastSeen,
    async run(signal) {
      while (!signal.aborted) {
        const began = clock.seconds();
        try {
          state = await step(signal);
        } catch (thrown) {
          if (!signal.aborted) await recover(thrown, clock.seconds() - began, signal);
        }
      }
    },
  };
}

/** Where to go on after a failure: a list that expired starts again in one piece, a watch that cannot go on lists again, the rest is repeated. */
function afterError(state: ReflectorState, error: KubeError): ReflectorState {
  switch (state.kind) {
    case 'Empty':
      return { kind: 'Empty', paged: true };
    case 'InitPage':
      return isKubeError(error, 'Gone') ? { kind: 'Empty', paged: false } : state;
    case 'InitListed':
    case 'Watching':
      // After a line that made no sense nobody knows what it should have said.
      return isKubeError(error, 'Gone', 'Malformed') ? { kind: 'Empty', paged: true } : state;
  }
}
