/**
 * What it costs an operator to start beside a fleet that has run: memory and CPU until it has looked at every training once. A script stands in for
 * the API server: it lists ended trainings with their Jobs and pods, and refuses what is written. So the operator alone is measured.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { usageOf } from '../test/harness/processes.ts';
import { endedFleet, type Listing } from './ended-fleet.ts';
import { bundledOperator } from '../test/harness/bundled-operator.ts';

export type RestartResult = {
  readonly trainings: number;
  /** Jobs and pods, too. */
  readonly objects: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
};

export async function measureRestart(trainings: number): Promise<RestartResult> {
  const listing = endedFleet(trainings);
  const seen = new Set<string>();
  const all = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    void answer(listing, request, response).then((written) => {
      if (written !== undefined) seen.add(written);
      if (seen.size === trainings) all.resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'pggan-bench-restart-'));
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  const flags = ['--trainer-image=any', '--telemetry-port=0', '--log-level=error'];
  const child = spawn(process.execPath, [bundledOperator(folder), ...flags], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    const died = once(child, 'exit').then(() => Promise.reject(new Error('the operator ended')));
    await Promise.race([all.promise, died]);
    return { trainings, objects: listing.objects, ...usageOf(child.pid ?? 0) };
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  }
}

/** Answers as the API server would; returns the name of a training whose status was to be written. */
async function answer({ pages }: Listing, request: IncomingMessage, response: ServerResponse): Promise<string | undefined> {
  const url = new URL(request.url ?? '', 'http://server');
  const say = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const body = (await buffer(request)).toString();
  const isLease = url.pathname.includes('/leases');
  if (url.searchParams.has('watch')) response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  else if (request.method === 'GET' && isLease) say(404, { kind: 'Status', code: 404, reason: 'NotFound' });
  else if (request.method === 'GET') say(200, pageOf(pages, url));
  else if (isLease) say(201, withVersion(body));
  else {
    say(409, { kind: 'Status', code: 409, reason: 'Conflict' });
    return /pggantrainings\/([^/]+)\/status$/.exec(url.pathname)?.[1];
  }
  return undefined;
}

function pageOf(pages: Listing['pages'], url: URL): string {
  const own = pages[url.pathname.split('/').at(-1) ?? ''] ?? ['[]'];
  const at = Number(url.searchParams.get('continue') ?? 0);
  const metadata = { resourceVersion: '1', ...(at + 1 < own.length && { continue: String(at + 1) }) };
  return `{"metadata":${JSON.stringify(metadata)},"items":${own[at]}}`;
}

let version = 1;

function withVersion(body: string): object {
  const object = JSON.parse(body) as { readonly metadata?: object };
  version += 1;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

function kubeconfigOf(server: string): string {
  const context = { cluster: 'script', user: 'nobody' };
  const clusters = [{ name: 'script', cluster: { server } }];
  const config = { clusters, users: [{ name: 'nobody', user: {} }], contexts: [{ name: 'script', context }], 'current-context': 'script' };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Config', ...config });
}
