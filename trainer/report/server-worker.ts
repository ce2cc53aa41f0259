/** The thread that answers HTTP for a trainer; it knows the last progress document and the time of the last step, and nothing else. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { parseProgress, type Progress } from '../../crds/progress.ts';
import { METRICS_TYPE, metricsText } from './metrics-text.ts';

/** What the two threads agree on; the heartbeat is the monotonic clock, which they share, in nanoseconds. */
export type WorkerInput = {
  readonly port: number;
  readonly host: string;
  readonly deadlineSeconds: number;
  readonly heartbeat: SharedArrayBuffer;
};
export type ToWorker = { readonly kind: 'progress'; readonly text: string } | { readonly kind: 'close' };
export type FromWorker = { readonly kind: 'listening'; readonly port: number } | { readonly kind: 'failed'; readonly message: string };

const input = workerData as WorkerInput;
const port = parentPort;
if (!port) throw new Error('server-worker is started by server.ts, as a worker thread');

let current: { readonly text: string; readonly progress: Progress | undefined } | undefined;

type Answer = { readonly status: number; readonly type: string; readonly body: string };

/** Callers are one operator, one Prometheus and one kubelet; whoever is slower or opens more than they do is cut off. */
const server = createServer(
  { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000, connectionsCheckingInterval: 1000 },
  answer,
);
server.maxConnections = 64;
server.maxRequestsPerSocket = 1000;
server.setTimeout(10_000);

server.once('error', (error) => tell({ kind: 'failed', message: error.message }));
server.listen(input.port, input.host, () => tell({ kind: 'listening', port: (server.address() as AddressInfo).port }));

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'progress':
      current = { text: message.text, progress: parseProgress(message.text) };
      return;
    case 'close':
      server.close();
      server.closeAllConnections();
      port.close();
      return;
  }
});

function tell(message: FromWorker): void {
  port?.postMessage(message);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  // Nobody has a body to send here; one that is sent is not read.
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  const { status, type, body } = hasBody ? plain(413, 'no request here has a body') : route(request.method, request.url ?? '/');
  const headers = {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    ...(hasBody ? { connection: 'close' } : {}),
  };
  response.writeHead(status, headers);
  response.end(request.method === 'HEAD' ? undefined : body);
}

function route(method: string | undefined, url: string): Answer {
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'GET and HEAD only');
  switch (url.replace(/\?.*/s, '')) {
    case '/progress':
      return current ? { status: 200, type: 'application/json', body: current.text } : plain(503, 'nothing to report yet');
    case '/metrics':
      return { status: 200, type: METRICS_TYPE, body: current?.progress ? metricsText(current.progress) : '' };
    case '/healthz':
      return health();
    default:
      return plain(404, 'there are /progress, /metrics and /healthz');
  }
}

function health(): Answer {
  const last = Atomics.load(new BigInt64Array(input.heartbeat), 0);
  const seconds = Number(process.hrtime.bigint() - last) / 1e9;
  if (seconds <= input.deadlineSeconds) return plain(200, 'ok');
  return plain(
    503,
    `no step has finished for ${Math.floor(seconds)} s, more than the ${input.deadlineSeconds} s of progressDeadlineSeconds`,
  );
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}
