/**
 * Where the API server is and who we are there, from a kubeconfig or a pod's service account.
 * It survives the rotation of a service-account token: the file is read again every minute, and at once when the server refuses the old one.
 */
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { KubeConfig } from '@kubernetes/client-node';
import { type Clock, systemClock } from './clock.ts';
import { KubeError } from './errors.ts';

export type Credentials = {
  /** The headers that say who asks. */
  headers(): Promise<Readonly<Record<string, string>>>;
  /** What was given last has been refused: the next headers() looks again. */
  refused(): void;
};

export type Connection = {
  /** Scheme, host and port. */
  readonly origin: string;
  /** What stands before /api and /apis, where the server is behind something; without a slash at the end. */
  readonly prefix: string;
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
  readonly credentials: Credentials;
};

/** Kubelets replace a token when 80% of its life, at least ten minutes, has passed. client-go looks as often. */
const TOKEN_FILE_SECONDS = 60;

/** The connection of the current context. Certificates are read once: whoever renews those of a kubeconfig starts the operator again. */
export async function connectionOf(config: KubeConfig, clock: Clock = systemClock): Promise<Connection> {
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeError(
      'BadRequest',
      `the kubeconfig has no cluster for its current context '${config.currentContext}': set current-context`,
    );
  }
  const url = new URL(cluster.server);
  const options = await optionsOf(config, url);
  const { ca, cert, key, servername, rejectUnauthorized } = options as RequestOptions & ConnectionOptions;
  return {
    origin: url.origin,
    prefix: url.pathname.replace(/\/$/, ''),
    tls: { ca, cert, key, ...(servername && { servername }), ...(rejectUnauthorized === false && { rejectUnauthorized }) },
    credentials: credentialsOf(config, url, clock),
  };
}

/** No credentials at all. */
export const anonymous: Credentials = { headers: () => Promise.resolve({}), refused: () => {} };

/** A bearer token that somebody else rewrites now and then. */
export function tokenFile(path: string, clock: Clock = systemClock): Credentials {
  let token: { readonly text: string; readonly at: number } | undefined;
  return {
    async headers() {
      const now = clock.seconds();
      if (token === undefined || now - token.at >= TOKEN_FILE_SECONDS) token = { text: read(path), at: now };
      return { authorization: `Bearer ${token.text}` };
    },
    refused() {
      token = undefined;
    },
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new KubeError('Unauthorized', `the token file ${path} cannot be read`, { cause });
  }
}

/** client-node keeps a token file's content for a minute, whatever the server says; everything else it does well. */
function credentialsOf(config: KubeConfig, url: URL, clock: Clock): Credentials {
  const provider: { readonly tokenFile?: unknown } | undefined = config.getCurrentUser()?.authProvider?.config;
  if (typeof provider?.tokenFile === 'string') return tokenFile(provider.tokenFile, clock);
  return {
    async headers() {
      const { headers = {}, auth } = await optionsOf(config, url);
      const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
      const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)] as const);
      return { ...basic, ...Object.fromEntries(given) };
    },
    refused() {},
  };
}

/** What client-node would connect with: certificates, and headers from tokens, exec plugins and OIDC. */
async function optionsOf(config: KubeConfig, url: URL): Promise<RequestOptions> {
  const options: RequestOptions = {};
  // Plain HTTP is refused by client-node unless certificates are not looked at, which they cannot be there.
  if (url.protocol === 'http:') return options;
  await config.applyToHTTPSOptions(options);
  return options;
}
