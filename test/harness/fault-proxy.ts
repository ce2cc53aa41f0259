/** Stands between a client and a plain http server and does what networks and servers do: refuse, delay, go silent, cut, answer 503. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';

export type Fault =
  /** Answers instead of the server, with the error document of S3. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string; readonly message?: string }
  /** Resets the connection after so many bytes of the request's body were passed on; the server sees a cut upload. */
  | { readonly kind: 'cutUpload'; readonly afterBytes: number }
  /** Resets the connection after so many bytes of the answer's body. */
  | { readonly kind: 'cutDownload'; readonly afterBytes: number }
  /** Lets the server do what was asked, then resets the connection instead of passing on its answer. */
  | { readonly kind: 'loseAnswer' }
  /** Takes the request and never answers. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'delay'; readonly seconds: number };

export type Seen = { readonly method: string; readonly url: string };

export type FaultProxy = {
  readonly port: number;
  readonly endpoint: string;
  /** The requests so far, those that met a fault included. */
  readonly seen: readonly Seen[];
  /** Lets the next `times` requests that match meet a fault. */
  fail(fault: Fault, matches?: (seen: Seen) => boolean, times?: number): void;
  /** The first request, past or future, that matches. */
  arrived(matches: (seen: Seen) => boolean): Promise<Seen>;
  /** Connections are refused from now on, and open ones are reset. */
  down(): Promise<void>;
  /** Connections are taken again, on the same port. */
  up(): Promise<void>;
};

/** A proxy for 127.0.0.1:`targetPort`, which is closed after the test. */
export async function startFaultProxy(t: TestContext, targetPort: number): Promise<FaultProxy> {
  const seen: Seen[] = [];
  const waiting = new Set<{ readonly matches: (seen: Seen) => boolean; readonly found: (seen: Seen) => void }>();
  const rules: { readonly fault: Fault; readonly matches: (seen: Seen) => boolean; left: number }[] = [];
  const server = createServer((incoming, outgoing) => {
    const one = { method: incoming.method ?? '', url: incoming.url ?? '' };
    seen.push(one);
    for (const { matches, found } of waiting) if (matches(one)) found(one);
    const rule = rules.find(({ left, matches }) => left > 0 && matches(one));
    if (rule) rule.left -= 1;
    void pass(incoming, outgoing, targetPort, rule?.fault);
  });
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const down = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  t.after(() => server.listening && down());
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    seen,
    fail: (fault, matches = () => true, times = 1) => void rules.push({ fault, matches, left: times }),
    arrived(matches) {
      const known = seen.find(matches);
      return known ? Promise.resolve(known) : new Promise((found) => waiting.add({ matches, found }));
    },
    down,
    up: () => listen(port),
  };
}

async function pass(incoming: IncomingMessage, outgoing: ServerResponse, port: number, fault: Fault | undefined): Promise<void> {
  switch (fault?.kind) {
    case 'silent':
      return;
    case 'answer':
      return answer(incoming, outgoing, fault);
    case 'delay':
      await setTimeout(fault.seconds * 1000);
      return forward(incoming, outgoing, port);
    case 'cutUpload':
    case 'cutDownload':
    case 'loseAnswer':
    case undefined:
      return forward(incoming, outgoing, port, fault);
  }
}

function answer(incoming: IncomingMessage, outgoing: ServerResponse, fault: Extract<Fault, { kind: 'answer' }>): void {
  const { status, code, message = 'by a test' } = fault;
  incoming.resume();
  incoming.once('end', () => {
    outgoing.writeHead(status, { 'content-type': 'application/xml' });
    outgoing.end(
      incoming.method === 'HEAD' ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
    );
  });
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, port: number, fault?: Fault): void {
  const reset = (): void => void incoming.socket.resetAndDestroy();
  const { method, url: path, headers } = incoming;
  // The host of the request is signed: it is passed on as it came.
  const upstream = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
    if (fault?.kind === 'loseAnswer') {
      response.resume();
      response.once('end', reset);
      return;
    }
    outgoing.writeHead(response.statusCode ?? 502, response.headers);
    let passed = 0;
    response.on('data', (chunk: Buffer) => {
      passed += chunk.length;
      if (fault?.kind === 'cutDownload' && passed > fault.afterBytes) {
        response.destroy();
        outgoing.write(chunk.subarray(0, Math.max(0, chunk.length - (passed - fault.afterBytes))), reset);
      } else if (!outgoing.write(chunk)) {
        response.pause();
        outgoing.once('drain', () => response.resume());
      }
    });
    response.on('end', () => outgoing.end());
    response.on('error', reset);
  });
  upstream.on('error', reset);
  outgoing.on('close', () => upstream.destroy());
  let taken = 0;
  incoming.on('data', (chunk: Buffer) => {
    taken += chunk.length;
    if (fault?.kind === 'cutUpload' && taken > fault.afterBytes) {
      upstream.destroy();
      reset();
    } else if (!upstream.write(chunk)) {
      incoming.pause();
      upstream.once('drain', () => incoming.resume());
    }
  });
  incoming.on('end', () => upstream.end());
  incoming.on('error', () => upstream.destroy());
}
