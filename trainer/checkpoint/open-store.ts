/** Opens the store of a URI. */
import { fileURLToPath } from 'node:url';
import { PgganError } from '../../crds/errors.ts';
import { fileStore } from './file-store.ts';
import { s3Store } from './s3-store.ts';
import type { Access } from './s3/connection.ts';
import type { Store } from './store.ts';

export type { Access };

export type OpenOptions = {
  /** How s3:// is reached; what is absent comes from the environment. */
  readonly s3?: Access | undefined;
  /** Whether the folder is made when it is missing (default), or a missing one is an error, as for what is only read. */
  readonly create?: boolean;
  /** Whether the process is to end: then a store that is away is not waited for. */
  readonly hurried?: () => boolean;
};

/** The store rooted at `uri`. Nothing is contacted yet. @throws {PgganError} OptionsInvalid for a URI that cannot name a store */
export function openStore(uri: string, options: OpenOptions = {}): Store {
  const scheme = /^([a-z0-9]+):\/\//.exec(uri)?.[1] ?? '';
  switch (scheme) {
    case 'file':
      return fileStore(pathOf(uri), { create: options.create ?? true });
    case 's3':
      return s3Store(uri, options);
    case 'pvc':
      throw new PgganError('OptionsInvalid', `${uri}: a claim is mounted into the pod and then named by its file:// path`);
    default:
      throw new PgganError('OptionsInvalid', `'${uri}' names no store: use file:///folder or s3://bucket/prefix`);
  }
}

function pathOf(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (cause) {
    throw new PgganError('OptionsInvalid', `'${uri}' is no file URI: write file:// and an absolute path, as file:///data/runs`, { cause });
  }
}
