/** What the kubelet and Prometheus ask the operator: /livez, /readyz, /metrics. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { asError } from '../../crds/errors.ts';

/** A check by name: what is wrong, or undefined where nothing is. */
type Checks = Readonly<Record<string, () => string | undefined>>;

export type TelemetryOptions = {
  /** 0 for any free port. */
  readonly port: number;
  /** Fails only for what a restart mends: a process that waits for its API server is alive. */
  readonly live: Checks;
  readonly ready: Checks;
  readonly metrics: MetricsPage;
};

/** What is answered at /metrics, in pieces: with thousands of trainings it is tens of megabytes. */
export type MetricsPage = { readonly contentType: string; readonly pages: () => Promise<readonly Buffer[]> };

export type TelemetryServer = { readonly port: number; close(): Promise<void> };

export async function serveTelemetry({ port, live, ready, metrics }: TelemetryOptions): Promise<TelemetryServer> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://operator').pathname;
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'only GET and HEAD\n');
    if (path === '/livez') return answerChecks(response, live);
    if (path === '/readyz') return answerChecks(response, ready);
    if (path !== '/metrics') return answer(response, 404, 'there are /livez, /readyz and /metrics\n');
    answerMetrics(request, response, metrics).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else answer(response, 500, `${asError(error).message}\n`);
    });
  });
  server.listen(port);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

/** Compressed for those who can read that, as Prometheus can: to a tenth. */
async function answerMetrics(request: IncomingMessage, response: ServerResponse, { contentType, pages }: MetricsPage): Promise<void> {
  const text = Readable.from(await pages(), { objectMode: false });
  const zips = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  response.writeHead(200, { 'content-type': contentType, vary: 'accept-encoding', ...(zips && { 'content-encoding': 'gzip' }) });
  if (zips) await pipeline(text, createGzip({ level: 1 }), response);
  else await pipeline(text, response);
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
