/** What the kubelet and Prometheus ask the operator: /livez, /readyz, /metrics. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asError } from '../../crds/errors.ts';

/** A check by name: what is wrong, or undefined where nothing is. */
type Checks = Readonly<Record<string, () => string | undefined>>;

export type TelemetryOptions = {
  /** 0 for any free port. */
  readonly port: number;
  /** Fails only for what a restart mends: a process that waits for its API server is alive. */
  readonly live: Checks;
  readonly ready: Checks;
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
};

export type TelemetryServer = { readonly port: number; close(): Promise<void> };

export async function serveTelemetry({ port, live, ready, metrics }: TelemetryOptions): Promise<TelemetryServer> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://operator').pathname;
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'only GET and HEAD\n');
    if (path === '/livez') return answerChecks(response, live);
    if (path === '/readyz') return answerChecks(response, ready);
    if (path !== '/metrics') return answer(response, 404, 'there are /livez, /readyz and /metrics\n');
    metrics.metrics().then(
      (text) => answer(response, 200, text, metrics.contentType),
      (error: unknown) => answer(response, 500, `${asError(error).message}\n`),
    );
  });
  server.listen(port);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

/** One line per check, as the API server's own probes answer. */
function answerChecks(response: ServerResponse, checks: Checks): void {
  const results = Object.entries(checks).map(([name, check]) => ({ name, wrong: check() }));
  const lines = results.map(({ name, wrong }) => (wrong === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${wrong}\n`));
  answer(response, results.every(({ wrong }) => wrong === undefined) ? 200 : 503, lines.join(''));
}

function answer(response: ServerResponse, status: number, text: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': contentType }).end(text);
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
