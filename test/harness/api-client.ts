/** Talks to an API server in plain HTTP and JSON: tests see the status, the warnings and the bytes that a client library would hide. */
import { Agent, request } from 'undici';

export type Answer = {
  readonly status: number;
  readonly body: unknown;
  /** Texts of the Warning headers. */
  readonly warnings: readonly string[];
};

export type ApiClient = {
  /** `path` with its query. A body is sent as JSON of `contentType`; application/json unless a patch says otherwise. */
  send(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown, contentType?: string): Promise<Answer>;
  close(): Promise<void>;
};

export type Credentials = { readonly ca: string; readonly cert: string; readonly key: string };

/** A client of its own connections; `credentials` are PEM texts. */
export function createApiClient(url: string, credentials: Credentials): ApiClient {
  const dispatcher = new Agent({ connect: credentials });
  return {
    async send(method, path, body, contentType = 'application/json') {
      const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': contentType } };
      const response = await request(`${url}${path}`, { dispatcher, method, ...sent });
      const text = await response.body.text();
      const warnings = [response.headers['warning'] ?? []].flat().map((header) => warningText(header));
      return { status: response.statusCode, body: parsed(text), warnings };
    },
    close: () => dispatcher.destroy(),
  };
}

/** Health endpoints answer in plain text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `299 - "text"`, with quotes and backslashes escaped (RFC 7234, 5.5). */
function warningText(header: string): string {
  return /^\d{3} \S+ "(.*)"/s.exec(header)?.[1]?.replaceAll(/\\(.)/gs, '$1') ?? header;
}
