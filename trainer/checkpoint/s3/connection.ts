/** Sends one signed request to an object store, once. Signing and addressing are the minio client's; what becomes of failures is not decided here. */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { Client } from 'minio';
import { PgganError } from '../../../crds/errors.ts';
import type { StoreOptions } from '../../../crds/run.ts';
import { type Found, readAuthority, readCredentials } from './credentials.ts';
import { ServerFailure, type Target } from './failures.ts';

type S3Request = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** The object; absent for requests about the bucket. */
  readonly name?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** With its SHA-256, which is signed, so that the server refuses bytes that changed on the way. */
  readonly body?: { readonly parts: readonly Buffer[]; readonly sha256: string; readonly size: number };
};

/** How an object store is reached, as a run document has it. */
export type Access = { readonly [Field in keyof StoreOptions]?: StoreOptions[Field] | undefined };

export type Connection = {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Where the credentials of the last request came from. */
  target(): Target;
  /** The response of a successful request; its body must be read. @throws ServerFailure, errors of sockets, PgganError where there are no credentials */
  send(request: S3Request): Promise<IncomingMessage>;
};

const AMAZON = 'https://s3.amazonaws.com';
const DEFAULT_REGION = 'us-east-1';
const SUCCESS = [200, 204, 206];
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Nothing is contacted yet. What the options leave out is taken from AWS_ENDPOINT_URL and AWS_REGION; credentials and certificate authority
 * are read anew for each request, so that rotated ones are picked up.
 * @param idleSeconds how long a request may stand still; should it become less, that holds for those under way within a second
 * @throws {PgganError} OptionsInvalid for an endpoint that is none
 */
export function connect(bucket: string, options: Access | undefined, env: NodeJS.ProcessEnv, idleSeconds: () => number): Connection {
  const endpoint = options?.endpoint ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'] ?? AMAZON;
  const region = options?.region ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? DEFAULT_REGION;
  const url = parseEndpoint(endpoint);
  const secure = url.protocol === 'https:';
  const transport = transportOf(secure, idleSeconds);
  const agents = agentsOf(secure);
  let credentials = 'the environment';

  return {
    endpoint: url.origin,
    region,
    bucket,
    target: () => ({ endpoint: url.origin, region, bucket, credentials }),
    async send({ method, name, query, headers = {}, body }) {
      const { accessKey, secretKey, sessionToken, source } = required(readCredentials(env));
      credentials = source;
      const client = new Client({
        endPoint: url.hostname.replace(/^\[|\]$/g, ''),
        ...(url.port === '' ? {} : { port: Number(url.port) }),
        useSSL: secure,
        accessKey,
        secretKey,
        ...(sessionToken === undefined ? {} : { sessionToken }),
        region,
        ...(options?.pathStyle === undefined ? {} : { pathStyle: options.pathStyle }),
        transport,
        transportAgent: agents(required(readAuthority(env))),
        retryOptions: { disableRetry: true },
      });
      // The digest of the body is signed with TLS too: it guards the way from memory to disk, not only the wire.
      client.enableSHA256 = true;
      const request = {
        method,
        bucketName: bucket,
        ...(name === undefined ? {} : { objectName: name }),
        ...(query === undefined ? {} : { query }),
        headers: { ...headers },
      };
      if (!body) return client.makeRequestAsync(request, '', SUCCESS, region);
      request.headers['content-length'] = String(body.size);
      const [only = Buffer.alloc(0), ...others] = body.parts;
      const bytes = others.length === 0 ? only : Readable.from(body.parts, { objectMode: false });
      return client.makeRequestStreamAsync(request, bytes, body.sha256, SUCCESS, region);
    },
  };
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isPlain = url && url.pathname === '/' && url.search === '' && url.username === '' && url.password === '';
  if (url && isPlain && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  const shown = url ? `${url.protocol}//${url.host}${url.pathname}` : endpoint;
  throw new PgganError(
    'OptionsInvalid',
    `'${shown}' is no endpoint of an object store: write https://host or https://host:port, without path or keys`,
  );
}

function required<T>(found: Found<T>): T {
  if (found.kind === 'found') return found.value;
  throw new PgganError('StoreRefused', found.reason);
}

/** Connections are kept open between requests, and made anew where the certificate authority has changed. */
function agentsOf(secure: boolean): (authority: string | undefined) => http.Agent {
  const kept = { keepAlive: true, maxSockets: 32 };
  let current: { readonly authority: string | undefined; readonly agent: http.Agent } | undefined;
  return (authority) => {
    if (!current || current.authority !== authority) {
      current?.agent.destroy();
      const trusted = authority === undefined ? {} : { ca: authority };
      current = { authority, agent: secure ? new https.Agent({ ...kept, ...trusted }) : new http.Agent(kept) };
    }
    return current.agent;
  };
}

/** Requests that end when nothing moves; refusals are errors with the server's code, which the minio client does not keep for all of them. */
function transportOf(secure: boolean, idleSeconds: () => number): Pick<typeof http, 'request'> {
  const { request } = secure ? https : http;
  const send = (options: http.RequestOptions, receive: (response: IncomingMessage) => void): http.ClientRequest => {
    let seconds = idleSeconds();
    // As an option, it holds while the connection is being made too.
    const outgoing = request({ ...options, timeout: seconds * 1000 }, (response) => {
      if (SUCCESS.includes(response.statusCode ?? 0)) return receive(response);
      const fail = (document: string): void => void outgoing.emit('error', failureOf(response, document));
      textOf(response).then(fail, () => fail(''));
    });
    outgoing.on('timeout', () => {
      outgoing.destroy(Object.assign(new Error(`nothing moved for ${seconds} s`), { code: 'ETIMEDOUT' }));
    });
    const look = setInterval(() => {
      if (idleSeconds() >= seconds) return;
      seconds = idleSeconds();
      outgoing.socket?.setTimeout(seconds * 1000);
    }, 1000).unref();
    outgoing.once('close', () => clearInterval(look));
    return outgoing;
  };
  return { request: send as typeof http.request };
}

/** The body of an answer that is a document of XML; no more of it than such documents have. */
export async function textOf(response: IncomingMessage, maxBytes = MAX_ERROR_BYTES): Promise<string> {
  return (await bytesOf(response, maxBytes)).toString();
}

/** The body of an answer, up to a size: what comes after that is passed over. */
export async function bytesOf(response: IncomingMessage, maxBytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The text of the first element of this name; S3's documents are flat enough that no parser is needed. */
export function xmlText(document: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(document)?.[1];
  return text?.replace(/&(quot|#34|apos|#39|lt|gt|amp);/g, (_, name: string) => ENTITIES[name] ?? '');
}

const ENTITIES: Readonly<Record<string, string>> = { quot: '"', '#34': '"', apos: "'", '#39': "'", lt: '<', gt: '>', amp: '&' };

/** The error that an answer describes. One to HEAD has no body; MinIO puts the code into a header then. */
export function failureOf({ statusCode = 0, headers }: IncomingMessage, document: string): ServerFailure {
  const header = headers['x-minio-error-code'];
  const code = xmlText(document, 'Code') ?? (typeof header === 'string' ? header : '');
  return new ServerFailure(statusCode, code, xmlText(document, 'Message') ?? document.trim().slice(0, 200));
}
