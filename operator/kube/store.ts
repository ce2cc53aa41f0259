/**
 * What the cluster looked like a moment ago: objects by key, by the uid of whoever owns them, and by labels.
 * It survives careless readers: what it hands out is frozen, so a reconcile that writes to it throws instead of poisoning all later ones.
 */
import { keyOf, type KubeObject } from './resource.ts';

/** What happened to an object. `previous` is what stood there before: its old owner wants to know too. */
export type Change<T> =
  | { readonly kind: 'applied'; readonly object: T; readonly previous?: T }
  | { readonly kind: 'deleted'; readonly object: T };

export interface Store<T> {
  get(key: string): T | undefined;
  /** Everything as of now; later changes do not reach it. */
  list(): readonly T[];
  /** The objects that name this uid among their owners. */
  ownedBy(uid: string): readonly T[];
  /** The objects with this value of one of the labels that the store was told to index. */
  labelled(label: string, value: string): readonly T[];
  /** The objects that refer to the one of this key, as the store was told to see it. */
  referringTo(key: string): readonly T[];
  readonly size: number;
}

/** The side of a store that only its reflector holds. Each call returns what it changed. */
export interface StoreWriter<T> {
  apply(object: T): readonly Change<T>[];
  delete(object: T): readonly Change<T>[];
  /** Makes the store equal to a list: what the list lacks has been deleted in the meantime. */
  replace(objects: readonly T[]): readonly Change<T>[];
}

/** `refersTo`: keys of the objects that one depends on. */
export function createStore<T extends KubeObject>(
  labels: readonly string[] = [],
  refersTo: (object: T) => readonly string[] = () => [],
): { readonly store: Store<T>; readonly writer: StoreWriter<T> } {
  const objects = new Map<string, T>();
  /** Keys by index value: an owner's uid, a label with its value, or the key of an object that is referred to. */
  const index = new Map<string, Set<string>>();

  const indexed = (object: T): readonly string[] => [...indexValues(object, labels), ...refersTo(object).map(referenceValue)];
  const found = (value: string): readonly T[] => [...(index.get(value) ?? [])].map((key) => objects.get(key) as T);

  function remove(key: string, object: T): void {
    objects.delete(key);
    for (const value of indexed(object)) {
      const keys = index.get(value);
      keys?.delete(key);
      if (keys?.size === 0) index.delete(value);
    }
  }

  function insert(key: string, object: T): void {
    objects.set(key, freeze(object));
    for (const value of indexed(object)) {
      const keys = index.get(value) ?? new Set();
      index.set(value, keys.add(key));
    }
  }

  const writer: StoreWriter<T> = {
    apply(object) {
      const key = keyOf(object);
      const previous = objects.get(key);
      if (previous?.metadata?.resourceVersion === object.metadata?.resourceVersion && previous !== undefined) return [];
      if (previous !== undefined) remove(key, previous);
      insert(key, object);
      // An object of the same name with another uid: the first was deleted while nobody looked.
      if (previous === undefined) return [{ kind: 'applied', object }];
      if (previous.metadata?.uid === object.metadata?.uid) return [{ kind: 'applied', object, previous }];
      return [
        { kind: 'deleted', object: previous },
        { kind: 'applied', object },
      ];
    },
    delete(object) {
      const key = keyOf(object);
      const previous = objects.get(key);
      if (previous === undefined) return [];
      remove(key, previous);
      return [{ kind: 'deleted', object: previous }];
    },
    replace(listed) {
      const keys = new Set(listed.map(keyOf));
      const vanished = [...objects].filter(([key]) => !keys.has(key)).flatMap(([, object]) => writer.delete(object));
      return [...vanished, ...listed.flatMap((object) => writer.apply(object))];
    },
  };
  const store: Store<T> = {
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    ownedBy: (uid) => found(ownerValue(uid)),
    labelled(label, value) {
      if (!labels.includes(label)) throw new Error(`the store has no index of label ${label}`);
      return found(labelValue(label, value));
    },
    referringTo: (key) => found(referenceValue(key)),
    get size() {
      return objects.size;
    },
  };
  return { store, writer };
}

function indexValues({ metadata }: KubeObject, labels: readonly string[]): readonly string[] {
  const owners = (metadata?.ownerReferences ?? []).map(({ uid }) => ownerValue(uid));
  const labelled = labels.flatMap((label) => {
    const value = metadata?.labels?.[label];
    return value === undefined ? [] : [labelValue(label, value)];
  });
  return [...new Set([...owners, ...labelled])];
}

const ownerValue = (uid: string): string => `uid ${uid}`;
const referenceValue = (key: string): string => `to ${key}`;
const labelValue = (label: string, value: string): string => `${label}=${value}`;

/** Freezes an object and all that it holds. It costs about what parsing it did: 40 to 100 ms for 5,000 Jobs of 2.7 KiB, once. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}
