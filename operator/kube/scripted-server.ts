/** An HTTP server for tests that answers each request by the next reply of a script: every fault that a network or server can have is a reply. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

type Asked = { readonly path: string; readonly query: URLSearchParams };
/** Answers one request. What it leaves open stays open. */
export type Reply = (response: ServerResponse, asked: Asked) => void;

export type Scripted = {
  readonly origin: string;
  readonly asked: readonly Asked[];
  /** Connections that were made so far. */
  readonly connections: number;
};

/** An API server that answers each request by the next reply of a script, and keeps still after the last. */
export async function scripted(t: TestContext, replies: readonly Reply[]): Promise<Scripted> {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', 'http://server');
    const what = { path: url.pathname, query: url.searchParams };
    asked.push(what);
    replies[asked.length - 1]?.(response, what);
  });
  server.on('connection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get connections() {
      return connections;
    },
  };
}

/** Answers with JSON. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string | readonly string[]> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
