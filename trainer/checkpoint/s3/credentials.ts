/** Where the keys and the certificate authority of an object store come from: mounted files, or the environment; never the command line. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { POD_ENV } from '../../../crds/pod.ts';
import { asError } from '../../../crds/errors.ts';

export type Credentials = {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
  /** What messages call the place that they come from. */
  readonly source: string;
};

/** What was looked for, or the reason why it is not there. */
export type Found<T> = { readonly kind: 'found'; readonly value: T } | { readonly kind: 'missing'; readonly reason: string };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The credentials as they are now; asked before every request, so that a Secret that is rotated is picked up. The first of these counts, and
 * where it is incomplete nothing else is tried:
 * 1. the folder that PGGAN_STORE_CREDENTIALS names, with the files accessKey and secretKey (and sessionToken): a mounted Secret;
 * 2. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN).
 */
export function readCredentials(env: Environment = process.env): Found<Credentials> {
  const folder = env[POD_ENV.storeCredentials];
  if (folder !== undefined) return fromFolder(folder);
  const [accessKey, secretKey, sessionToken] = [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY'], env['AWS_SESSION_TOKEN']];
  if (accessKey && secretKey) {
    const source = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
    return { kind: 'found', value: { accessKey, secretKey, ...(sessionToken ? { sessionToken } : {}), source } };
  }
  const half = accessKey || secretKey ? `AWS_${accessKey ? 'SECRET_ACCESS_KEY' : 'ACCESS_KEY_ID'} is not set` : undefined;
  const ways = `set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ${POD_ENV.storeCredentials} to a folder with the files accessKey and secretKey`;
  return { kind: 'missing', reason: `there are no credentials for it${half ? ` (${half})` : ''}: ${ways}` };
}

/** The certificate authority (PEM) that PGGAN_STORE_CA, or AWS_CA_BUNDLE, names; undefined where the public ones are meant. */
export function readAuthority(env: Environment = process.env): Found<string | undefined> {
  const variable = env[POD_ENV.storeCa] === undefined ? 'AWS_CA_BUNDLE' : POD_ENV.storeCa;
  const path = env[variable];
  if (path === undefined) return { kind: 'found', value: undefined };
  try {
    return { kind: 'found', value: readFileSync(path, 'utf8') };
  } catch (error) {
    const reason = `its certificate authority cannot be read from ${path}, which ${variable} names (${asError(error).message})`;
    return { kind: 'missing', reason: `${reason}: on a cluster, check the ConfigMap of spec.store.caConfigMapRef and its key ca.crt` };
  }
}

function fromFolder(folder: string): Found<Credentials> {
  const read = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8').trim();
    } catch {
      return '';
    }
  };
  const [accessKey, secretKey, sessionToken] = [read('accessKey'), read('secretKey'), read('sessionToken')];
  if (accessKey && secretKey)
    return { kind: 'found', value: { accessKey, secretKey, ...(sessionToken ? { sessionToken } : {}), source: folder } };
  const lacking = [accessKey ? [] : 'accessKey', secretKey ? [] : 'secretKey'].flat().join(' and ');
  return {
    kind: 'missing',
    reason: `there are no credentials for it: ${folder}, which ${POD_ENV.storeCredentials} names, lacks ${lacking}; on a cluster, check the Secret of spec.store.credentialsSecretRef and its keys`,
  };
}
