/** The store port: the few verbs that a run folder needs, served by a folder or by an object store. */

/** Size in bytes; `version` changes whenever the object's bytes do (ETag, or inode and times), for conditional writes. */
export type StoreEntry = { readonly key: string; readonly size: number; readonly version: string };

/** A write goes through only if the object is absent, or still has this version. */
export type Condition = { readonly kind: 'absent' } | { readonly kind: 'version'; readonly version: string };

/**
 * Keys are relative, separated by '/', without '..' or empty parts. A write is atomic: readers see the old object or the new one, whole.
 * Every failure to reach the store is a PgganError StoreUnavailable (StoreFull where there is no room) that names store and key. A store that
 * finds an object to be other than it was written throws CheckpointInvalid.
 */
export interface Store {
  /** The URI of the folder that this store is rooted at. */
  readonly uri: string;
  /** Objects whose key starts with `prefix`, sorted by key. Unfinished uploads are not among them. */
  list(prefix: string): Promise<readonly StoreEntry[]>;
  /** The object's metadata, or undefined when there is none. */
  head(key: string): Promise<StoreEntry | undefined>;
  /** The whole object, or undefined when there is none. One of more than `maxBytes` is not read, but CheckpointInvalid. */
  read(key: string, maxBytes?: number): Promise<Buffer | undefined>;
  /** The bytes from `start` up to `end`, fewer where the object ends before; undefined when there is none. Not verified by the store. */
  readRange(key: string, start: number, end: number): Promise<Buffer | undefined>;
  /** Writes an object from its parts, in order; returns its entry, or undefined when the condition did not hold. */
  write(key: string, parts: readonly Uint8Array[], condition?: Condition): Promise<StoreEntry | undefined>;
  /** Writes an object from a local file, which need not fit into memory. A store may know that it has that content already. */
  upload(key: string, file: string, condition?: Condition): Promise<StoreEntry | undefined>;
  /** Writes an object, whole or not at all, to a local file; undefined where there is no object. */
  download(key: string, file: string): Promise<StoreEntry | undefined>;
  /** Removes an object; no error when there is none. */
  remove(key: string): Promise<void>;
}
