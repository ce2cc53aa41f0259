/**
 * Stands between an operator and the API server and does what overloaded servers and bad networks do, at random: errors, refusals with
 * Retry-After, answers that are lost after the deed, and watches that break. Clients need no credentials: it has those of one user.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { createRandom } from '../../trainer/train/random.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Identity } from './pki.ts';

/** `lost`: the server has done what was asked, and nobody hears of it. */
type Fault = 'error' | 'tooMany' | 'lost';

/** Shares of all requests but watches. */
export type FaultShares = Readonly<Record<Fault, number>>;

export type ApiProxy = {
  readonly url: string;
  /** Requests so far, and those that met a fault. */
  readonly counts: Readonly<Record<'requests' | 'watchesCut' | Fault, number>>;
  /** Breaks all watches of this moment. */
  cutWatches(): void;
  /** No faults from now on. */
  behave(): void;
  close(): Promise<void>;
};

export const NO_FAULTS: FaultShares = { error: 0, tooMany: 0, lost: 0 };

export async function startApiProxy(
  plane: Pick<ControlPlane, 'url' | 'authority'>,
  identity: Identity,
  shares: FaultShares,
  seed = 1,
): Promise<ApiProxy> {
  const { cert, key } = plane.authority.client(identity);
  const agent = new Agent({ keepAlive: true, ca: plane.authority.ca, cert, key });
  const { hostname, port } = new URL(plane.url);
  const counts = { requests: 0, watchesCut: 0, error: 0, tooMany: 0, lost: 0 };
  const watches = new Set<IncomingMessage>();
  const random = createRandom(seed);
  let behaves = false;

  function faultOf(): Fault | undefined {
    counts.requests += 1;
    if (behaves) return undefined;
    let [draw = 1] = random.uniform('fault', counts.requests, 1);
    for (const [fault, share] of Object.entries(shares) as readonly [Fault, number][]) {
      if (draw < share) return fault;
      draw -= share;
    }
    return undefined;
  }

  const server = createServer((incoming, outgoing) => {
    const isWatch = incoming.url?.includes('watch=true') ?? false;
    const fault = isWatch ? undefined : faultOf();
    if (fault) counts[fault] += 1;
    if (fault === 'error') return refuse(incoming, outgoing, 500, 'InternalError');
    if (fault === 'tooMany') return refuse(incoming, outgoing, 429, 'TooManyRequests', { 'retry-after': '1' });
    if (isWatch) {
      watches.add(incoming);
      outgoing.once('close', () => watches.delete(incoming));
    }
    const { method, url: path, headers } = incoming;
    const upstream = request({ hostname, port, agent, method, path, headers }, (response) => {
      if (fault === 'lost') {
        response.resume();
        response.once('end', () => incoming.socket.resetAndDestroy());
        return;
      }
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      // That a watch stands is told before anything happens.
      outgoing.flushHeaders();
      response.on('error', () => incoming.socket.resetAndDestroy());
      response.pipe(outgoing);
    });
    upstream.on('error', () => incoming.socket.resetAndDestroy());
    // A request that has ended has given its connection back.
    outgoing.once('close', () => outgoing.writableFinished || upstream.destroy());
    incoming.pipe(upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    cutWatches() {
      counts.watchesCut += watches.size;
      for (const { socket } of watches) socket.resetAndDestroy();
    },
    behave() {
      behaves = true;
    },
    async close() {
      await closed(server);
      agent.destroy();
    },
  };
}

/** As the API server itself would say it. */
function refuse(incoming: IncomingMessage, outgoing: ServerResponse, code: number, reason: string, headers: object = {}): void {
  incoming.resume();
  incoming.once('end', () => {
    outgoing.writeHead(code, { 'content-type': 'application/json', ...headers });
    outgoing.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: 'by a test' }));
  });
}

async function closed(server: Server): Promise<void> {
  const over = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await over;
}
