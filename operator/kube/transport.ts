/**
 * HTTP to the API server: one pool of kept connections for requests, one for watches, so that no watch takes a request's place.
 * It survives a server that does not answer (every request has a deadline, every watch must speak now and then) and a token that has been
 * replaced (401 asks for the new one, once). It never retries otherwise: backoff belongs to queues and reflectors.
 */
import { Agent, type Dispatcher } from 'undici';
import { asError } from '../../crds/errors.ts';
import { systemClock, within } from './clock.ts';
import type { Connection } from './connection.ts';
import { type ApiStatus, errorOfStatus, KubeError, type KubeErrorCode } from './errors.ts';

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly contentType?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Verb and kind, for errors and metrics. */
  readonly verb: string;
  readonly plural: string;
};

type HttpAnswer = { readonly body: unknown; readonly warnings: readonly string[] };

/** One request that has ended: `code` is its HTTP status, or the code of the error that stood in its place. */
export type RequestReport = { readonly verb: string; readonly plural: string; readonly code: string; readonly seconds: number };

export type TransportOptions = {
  readonly userAgent: string;
  /** Requests that may run at once; more wait. */
  readonly connections?: number;
  readonly timeoutSeconds?: number;
  readonly onRequest?: (report: RequestReport) => void;
};

export interface Transport {
  /** The answer to a request. @throws {KubeError} for every answer that is not 2xx, and for none */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** The bytes of an answer that goes on. @throws {KubeError} also when no byte came for `idleSeconds` */
  stream(request: HttpRequest, idleSeconds: number, onOpen?: () => void): AsyncGenerator<Uint8Array, void>;
  /**
   * An answer as it comes, whatever its status: what a pod says through the API server. Its 401 may be the pod's own, so it does not count as
   * the API server's word on our credentials. Redirects are not followed. @throws {KubeError} where none comes
   */
  forward(request: HttpRequest): Promise<Forwarded>;
  /** Breaks every connection. */
  close(): Promise<void>;
}

/** Of which nothing has been read yet. */
export type Forwarded = Pick<Dispatcher.ResponseData, 'statusCode' | 'body'>;

type Signal = AbortSignal | undefined;

export function createTransport(connection: Connection, options: TransportOptions): Transport {
  const { userAgent, connections = 16, timeoutSeconds = 30, onRequest } = options;
  // HTTP/1.1: a connection that breaks takes one watch with it, not all, and HTTP/2 is no faster: 600 creates and 600 gets by 16 workers took
  // 5.3 and 3.1 s over 16 connections, 6.2 and 3.3 s over one of HTTP/2 (kube-apiserver 1.36, medians of six in turn, two cores under load).
  const shared = { allowH2: false, pipelining: 1, keepAliveTimeout: 30_000, connect: { ...connection.tls, keepAliveInitialDelay: 30_000 } };
  const requests = new Agent({ ...shared, connections });
  const watches = new Agent(shared);

  async function open(agent: Agent, request: HttpRequest, signal: Signal, idleSeconds: number): Promise<Dispatcher.ResponseData> {
    const { method, body, contentType = 'application/json' } = request;
    return agent.request({
      origin: connection.origin,
      path: connection.prefix + request.path + queryOf(request),
      method,
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(body !== undefined && { 'content-type': contentType }),
        ...(await connection.credentials.headers()),
      },
      body: body === undefined ? null : JSON.stringify(body),
      ...(signal && { signal }),
      headersTimeout: timeoutSeconds * 1000,
      bodyTimeout: idleSeconds * 1000,
    });
  }

  function report({ verb, plural }: HttpRequest, code: string, started: number): void {
    onRequest?.({ verb, plural, code, seconds: (performance.now() - started) / 1000 });
  }

  /** Opens an answer of 2xx; asks once more where the credentials were refused. */
  async function answer(agent: Agent, request: HttpRequest, signal: Signal, idleSeconds: number): Promise<Dispatcher.ResponseData> {
    const started = performance.now();
    let code = 'Aborted';
    try {
      let response = await open(agent, request, signal, idleSeconds);
      if (response.statusCode === 401) {
        await response.body.dump();
        connection.credentials.refused();
        response = await open(agent, request, signal, idleSeconds);
      }
      code = String(response.statusCode);
      if (response.statusCode < 200 || response.statusCode > 299) throw await refusal(request, response);
      return response;
    } catch (thrown) {
      const error = errorOf(request, thrown, signal);
      if (code === 'Aborted' && error instanceof KubeError) code = error.code;
      throw error;
    } finally {
      report(request, code, started);
    }
  }

  return {
    async forward(request) {
      const started = performance.now();
      let code = 'Aborted';
      try {
        // Of a pool without end, so that pods that keep silent take no place from requests of our own.
        const response = await open(watches, request, request.signal, timeoutSeconds);
        code = String(response.statusCode);
        return response;
      } catch (thrown) {
        const error = errorOf(request, thrown, request.signal);
        if (error instanceof KubeError) code = error.code;
        throw error;
      } finally {
        report(request, code, started);
      }
    },
    send(request) {
      const reason = (): Error => new KubeError('Timeout', `${nameOf(request)}: no answer within ${timeoutSeconds} seconds`);
      return within({ clock: systemClock, seconds: timeoutSeconds, parent: request.signal, reason }, async (signal) => {
        const response = await answer(requests, request, signal, timeoutSeconds);
        const text = await response.body.text().catch((thrown: unknown) => {
          throw errorOf(request, thrown, signal);
        });
        return { body: parse(request, text), warnings: warningsOf(response.headers['warning']) };
      });
    },
    async *stream(request, idleSeconds, onOpen) {
      const response = await answer(watches, request, request.signal, idleSeconds);
      onOpen?.();
      try {
        for await (const chunk of response.body) yield chunk as Uint8Array;
      } catch (thrown) {
        throw errorOf(request, thrown, request.signal);
      }
    },
    async close() {
      await Promise.all([requests.destroy(), watches.destroy()]);
    },
  };
}

/** What was thrown, in our words. Where the caller gave up, its own reason. */
function errorOf(request: HttpRequest, thrown: unknown, signal: Signal): Error {
  if (thrown instanceof KubeError) return thrown;
  const error = asError(signal?.aborted ? signal.reason : thrown);
  if (error instanceof KubeError || signal?.aborted) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return new KubeError(codeOf(code), `${nameOf(request)}: ${error.message || code}`, { cause: thrown });
}

function codeOf(code: string): KubeErrorCode {
  if (/^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(code)) return 'Timeout';
  if (/^(UND_ERR_SOCKET|UND_ERR_RES_|ECONNRESET|EPIPE)/.test(code)) return 'Dropped';
  if (code.startsWith('HPE_')) return 'Malformed';
  // Refused, unknown host, untrusted certificate, no route: the request has not left.
  return 'Unavailable';
}

async function refusal(request: HttpRequest, { statusCode, headers, body }: Dispatcher.ResponseData): Promise<KubeError> {
  const text = await body.text();
  const retryAfter = headers['retry-after'];
  return errorOfStatus(nameOf(request), statusCode, statusOf(text), typeof retryAfter === 'string' ? retryAfter : undefined);
}

/** A Status where the answer is one; a proxy or an overloaded server answers with a line of text. */
function statusOf(text: string): ApiStatus {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'Status') return body as ApiStatus;
  } catch {
    // Text.
  }
  return { message: text.trim().slice(0, 256) };
}

function parse(request: HttpRequest, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KubeError('Malformed', `${nameOf(request)}: the answer is no JSON`, { cause });
  }
}

/** `299 - "text"`, one for each thing that the server wants a person to know (RFC 7234, section 5.5). */
function warningsOf(header: string | readonly string[] | undefined): readonly string[] {
  return [header ?? []]
    .flat()
    .flatMap((value) => [...value.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replace(/\\(.)/g, '$1')));
}

function nameOf({ verb, plural, path }: HttpRequest): string {
  return `${verb} ${plural} (${path})`;
}

function queryOf({ query = {} }: HttpRequest): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? '' : `?${search.toString()}`;
}
