/**
 * One reflector for all namespaces, or one for each of a list, behind one store: who has the rights of some namespaces may list in no other.
 * It survives a namespace that it may not list: the others are as whole as they were, and it is there as soon as it may be listed.
 */
import type { KubeError } from './errors.ts';
import { createReflector, type Reflector, type ReflectorOptions, type ReflectorState } from './reflector.ts';
import { type KubeObject, refOf } from './resource.ts';
import type { Store } from './store.ts';

export type ReflectorsOptions<T extends KubeObject, P extends KubeObject> = Omit<ReflectorOptions<T, P>, 'namespace' | 'onError'> & {
  /** All where empty. */
  readonly namespaces: readonly string[];
  readonly onError?: (
    error: KubeError,
    next: { readonly state: ReflectorState['kind']; readonly waitSeconds: number },
    namespace?: string,
  ) => void;
};

export interface Reflectors<P> {
  readonly store: Store<P>;
  /** Resolves when the store has held the whole list of a namespace for the first time. */
  syncedIn(namespace: string): Promise<void>;
  /** When it has done so for all of them. */
  readonly synced: Promise<void>;
  /** Seconds since the server was last heard of, where that is longest. */
  staleSeconds(): number;
  run(signal: AbortSignal): Promise<void>;
}

export function createReflectors<T extends KubeObject, P extends KubeObject>(options: ReflectorsOptions<T, P>): Reflectors<P> {
  const { namespaces, onError, ...rest } = options;
  const reflect = (namespace: string | undefined): Reflector<P> =>
    createReflector({
      ...rest,
      ...(namespace !== undefined && { namespace }),
      ...(onError && { onError: (error, next) => onError(error, next, namespace) }),
    });
  const one = namespaces.length === 0 ? reflect(undefined) : undefined;
  const each = new Map(namespaces.map((namespace) => [namespace, reflect(namespace)]));
  const all = one ? [one] : [...each.values()];
  const stores = new Map([...each].map(([namespace, { store }]) => [namespace, store]));
  return {
    store: one?.store ?? joined(stores),
    syncedIn: (namespace) => (one ?? each.get(namespace))?.synced ?? new Promise<void>(() => {}),
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => undefined),
    staleSeconds: () => Math.max(...all.map((reflector) => reflector.staleSeconds())),
    async run(signal) {
      await Promise.all(all.map((reflector) => reflector.run(signal)));
    },
  };
}

/** Stores of different namespaces as one. */
function joined<P>(stores: ReadonlyMap<string, Store<P>>): Store<P> {
  const of = (read: (store: Store<P>) => readonly P[]): readonly P[] => [...stores.values()].flatMap(read);
  return {
    get: (key) => stores.get(refOf(key).namespace)?.get(key),
    list: () => of((store) => store.list()),
    ownedBy: (uid) => of((store) => store.ownedBy(uid)),
    labelled: (label, value) => of((store) => store.labelled(label, value)),
    referringTo: (key) => of((store) => store.referringTo(key)),
    get size() {
      return [...stores.values()].reduce((sum, { size }) => sum + size, 0);
    },
  };
}
