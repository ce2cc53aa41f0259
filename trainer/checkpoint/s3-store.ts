/** A store in a bucket of an object store: atomic and conditional writes, verified bytes, patience with servers that are not. */
import { PgganError } from '../../crds/errors.ts';
import { storeError } from './file-errors.ts';
import { checkKey, checkSize } from './keys.ts';
import { type Access, bytesOf, connect } from './s3/connection.ts';
import { type Content, contentDigest, contentOfFile, contentOfParts } from './s3/content.ts';
import { download, type Sink } from './s3/download.ts';
import { intoFile } from './s3/file-sink.ts';
import { type Deed, reaching, unless } from './s3/reach.ts';
import { deleteObject, getRange, headObject, type ListedObject, listPage, type StoredObject } from './s3/requests.ts';
import { type RetryTime, systemTime } from './s3/retry.ts';
import { unfinishedUploads } from './s3/unfinished.ts';
import { upload } from './s3/upload.ts';
import { compareNames } from './safetensors.ts';
import type { Condition, Store, StoreEntry } from './store.ts';

export type S3StoreOptions = {
  /** How the server is reached; what is absent comes from the environment. */
  readonly s3?: Access | undefined;
  /** Whether an empty folder is one that the first write makes (default), or an error from the start, as for a dataset. */
  readonly create?: boolean;
  /** Whether the process is to end: then trouble that may pass is waited for only a few seconds. */
  readonly hurried?: () => boolean;
  /** Effects, for tests: clock and sleep, environment, and how long a connection may stand still. */
  readonly time?: RetryTime;
  readonly env?: NodeJS.ProcessEnv;
  readonly idleSeconds?: number;
};

/** A connection on which nothing moves for this long is given up. */
const IDLE_SECONDS = 30;
/** And for this long where the process is to end. */
const HURRIED_IDLE_SECONDS = 3;

/**
 * A store of the objects below `s3://bucket/prefix`. Versions are ETags; conditions are If-None-Match and If-Match, which the server holds to
 * among any number of writers. Objects above 16 MiB travel in parts and become visible, whole, by the request that completes them; an
 * upload that its writer did not live to complete is aborted by the next process that lists. Each request carries the SHA-256 of its bytes,
 * and each object that of its content, compared whenever it is read.
 *
 * Busy servers, timeouts and cut connections are tried again, for 2 minutes (15 seconds with a server that has never answered); refusals are
 * StoreRefused at once. A thread that is blocked for longer than a connection may stand still finds it timed out: a training saves through
 * a thread of its own (saver-worker.ts).
 * @throws {PgganError} OptionsInvalid for an address that cannot name a bucket; its verbs: StoreUnavailable, StoreFull, OptionsInvalid for
 * an invalid key, CheckpointInvalid for an object whose bytes are not those that were written
 */
export function s3Store(uri: string, options: S3StoreOptions = {}): Store {
  const { bucket, root } = parseS3Uri(uri);
  const rooted = `s3://${bucket}${root === '' ? '' : `/${root.slice(0, -1)}`}`;
  const { idleSeconds = IDLE_SECONDS, hurried = () => false } = options;
  const idle = (): number => (hurried() ? Math.min(HURRIED_IDLE_SECONDS, idleSeconds) : idleSeconds);
  const connection = connect(bucket, options.s3, options.env ?? process.env, idle);
  const reach = reaching(connection, rooted, options.time ?? systemTime, hurried);
  const unfinished = unfinishedUploads(connection, root, reach);
  const uploader = { connection, reach, unfinished };

  const entriesBelow = async (prefix: string): Promise<readonly StoreEntry[]> => {
    const found: StoreEntry[] = [];
    let token: string | undefined;
    do {
      const page = await reach(deed('list', prefix, 'GET'), () => listPage(connection, root + prefix, token));
      found.push(...page.objects.flatMap((object) => entriesOf(object, root)));
      token = page.next;
    } while (token !== undefined);
    return found.sort((a, b) => compareNames(a.key, b.key));
  };
  const write = async (key: string, content: Content, condition?: Condition): Promise<StoreEntry | undefined> => {
    const written = await upload(uploader, { key, name: root + key }, content, condition);
    return written && { key, size: written.size, version: written.etag };
  };
  /** The object where it has this content: an upload that is begun again need not send what has arrived. */
  const sameAlready = async (key: string, content: Content): Promise<StoreEntry | undefined> => {
    const object = await unless(
      'noObject',
      reach(deed('read', key, 'HEAD'), () => headObject(connection, root + key)),
    );
    return object?.size === content.size && object.digest === contentDigest(content.digests) ? entryOf(key, object) : undefined;
  };

  return {
    uri: rooted,
    async list(prefix) {
      if (options.create !== false) await unfinished.removeStale();
      const entries = await entriesBelow(prefix);
      if (options.create !== false || entries.length > 0 || (prefix !== '' && (await entriesBelow('')).length > 0)) return entries;
      throw new PgganError('StoreUnavailable', `cannot list ${rooted}: there is no object below this address at ${connection.endpoint}`);
    },
    async head(key) {
      checkKey(key);
      const object = await unless(
        'noObject',
        reach(deed('read', key, 'HEAD'), () => headObject(connection, root + key)),
      );
      return object && entryOf(key, object);
    },
    async read(key, maxBytes) {
      checkKey(key);
      let bytes = Buffer.alloc(0);
      const object = await download({ connection, reach }, key, root + key, (size) => {
        checkSize(key, size, maxBytes);
        bytes = Buffer.allocUnsafeSlow(size);
        return { space: (start, length) => bytes.subarray(start, start + length), filled: async () => undefined };
      });
      return object && bytes;
    },
    async readRange(key, start, end) {
      checkKey(key);
      const range = reach(deed('read', key, 'GET'), async () => bytesOf(await getRange(connection, root + key, start, end)));
      const inside = unless('emptyRange', range).then((bytes) => bytes ?? Buffer.alloc(0));
      return unless('noObject', inside);
    },
    async write(key, parts, condition) {
      checkKey(key);
      return write(key, contentOfParts(parts), condition);
    },
    async remove(key) {
      checkKey(key);
      await unless(
        'noObject',
        reach(deed('remove', key, 'DELETE'), () => deleteObject(connection, root + key)),
      );
    },
    async upload(key, file, condition) {
      checkKey(key);
      const content = await local('read', file, contentOfFile(file));
      return (condition === undefined ? await sameAlready(key, content) : undefined) ?? write(key, content, condition);
    },
    async download(key, file) {
      checkKey(key);
      const fetch = (sink: () => Sink): Promise<StoredObject | undefined> => download({ connection, reach }, key, root + key, sink);
      const object = await local('write', file, intoFile(file, fetch));
      return object && entryOf(key, object);
    },
  };
}

const deed = (verb: string, key: string, method: string): Deed => ({ verb, key, method });

/** `root` is what the names of all objects begin with: empty, or with a slash at its end. */
function parseS3Uri(uri: string): { readonly bucket: string; readonly root: string } {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]*)\/?(.*?)\/?$/s.exec(uri) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new PgganError(
      'OptionsInvalid',
      `'${uri}' names no bucket: write s3://bucket/folder (3 to 63 small letters, digits, dots and dashes)`,
    );
  }
  if (prefix !== '') checkKey(prefix);
  return { bucket, root: prefix === '' ? '' : `${prefix}/` };
}

/** Nothing for the store's own marks, and for the empty objects that some tools make to show folders. */
function entriesOf({ name, size, etag }: ListedObject, root: string): readonly StoreEntry[] {
  const key = name.slice(root.length);
  const foreign = key.split('/').some((part) => part === '' || part.startsWith('.'));
  return foreign ? [] : [{ key, size, version: etag }];
}

const entryOf = (key: string, { size, etag }: StoredObject): StoreEntry => ({ key, size, version: etag });

/** Failures of the local file by its name; those of the store name it themselves. */
async function local<T>(verb: string, file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw storeError(file, verb, '', error);
  }
}
