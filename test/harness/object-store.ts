/** Real object stores for tests: MinIO and versitygw, each with a fresh folder on a free port, that can be killed and started again. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'minio';
import type { StoreOptions } from '../../crds/run.ts';
import { binary } from './binaries.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { ADMINISTRATOR, COMMANDS, launch, type ObjectStoreKind } from './object-store-servers.ts';

export type Credentials = { readonly accessKey: string; readonly secretKey: string; readonly sessionToken?: string };

export type ObjectStore = {
  readonly kind: ObjectStoreKind;
  readonly port: number;
  readonly endpoint: string;
  /** Made at the start, unless it is to be empty; `makeBucket` makes others. */
  readonly bucket: string;
  /** Where the server keeps its data. */
  readonly folder: string;
  /** The same folder as the server sees it, which differs where the server has a disk of its own. */
  disk(): string;
  /** Of its administrator. */
  readonly credentials: Credentials;
  /** How a run document says to reach it. */
  readonly options: StoreOptions;
  /** What a process that uses it has in its environment. */
  readonly env: Readonly<Record<string, string>>;
  makeBucket(name: string): Promise<void>;
  /** `kill -9`; the data stay. */
  kill(): Promise<void>;
  /** Starts the server again on the same port and data. */
  start(): Promise<void>;
};

export type ObjectStoreOptions = {
  /** https with a certificate of an authority that nobody knows, for these names. */
  readonly tls?: boolean | string;
  readonly region?: string;
  /** The address that it listens on; by default of this machine alone. */
  readonly host?: string;
  /** Runs the server in a disk of its own of so many megabytes. */
  readonly diskMegabytes?: number;
  /** Without its bucket, which somebody else makes. */
  readonly empty?: boolean;
};

/**
 * A running server, which is ended after the test. Where its binary is absent the test is skipped with the reason and undefined is returned;
 * with CI=true that is a failure.
 */
export async function startObjectStore(
  t: Pick<TestContext, 'after' | 'skip'>,
  kind: ObjectStoreKind,
  options: ObjectStoreOptions = {},
): Promise<ObjectStore | undefined> {
  const path = binary(t, kind);
  if (path === undefined) return undefined;
  const root = mkdtempSync(join(tmpdir(), `pggan-${kind}-`));
  const folder = join(root, 'data');
  mkdirSync(folder);
  const names = typeof options.tls === 'string' ? options.tls : undefined;
  const certificates = options.tls === undefined ? undefined : makeCertificates(join(root, 'certificates'), names);
  const port = await freePort();
  const host = options.host ?? '127.0.0.1';
  const endpoint = `${certificates ? 'https' : 'http'}://${host}:${port}`;
  const server = COMMANDS[kind]({ path, root, folder, address: `${host}:${port}`, certificates, region: options.region });
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (child) await ended(child);
    child = undefined;
  };
  t.after(async () => {
    await kill();
    rmSync(root, { recursive: true, force: true });
  });
  const client = clientOf(endpoint, ADMINISTRATOR, options.region, certificates);
  const start = async (): Promise<void> => {
    child = launch(server, folder, options.diskMegabytes);
    // MinIO says that it is ready before it knows its administrator.
    await ready(child, () => answers(`${endpoint}${server.health}`));
    await ready(child, () =>
      client.listBuckets().then(
        () => true,
        () => false,
      ),
    );
  };
  await start();
  const bucket = 'pggan';
  const makeBucket = (name: string): Promise<void> => client.makeBucket(name);
  if (options.empty !== true) await makeBucket(bucket);
  return {
    kind,
    port,
    endpoint,
    bucket,
    folder,
    disk: () => (options.diskMegabytes === undefined ? folder : `/proc/${child?.pid}/root${folder}`),
    credentials: ADMINISTRATOR,
    options: { endpoint, ...(options.region === undefined ? {} : { region: options.region }) },
    env: { ...environment(ADMINISTRATOR), AWS_ENDPOINT_URL: endpoint, ...(certificates ? { PGGAN_STORE_CA: certificates.ca } : {}) },
    makeBucket,
    kill,
    start,
  };
}

/** Credentials as a process finds them in its environment. */
export function environment({ accessKey, secretKey, sessionToken }: Credentials): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }),
  };
}

/** Asks until the server is ready; its own words where it ends instead. */
async function ready(child: ChildProcess, ask: () => Promise<boolean>): Promise<void> {
  let words = '';
  child.stderr?.on('data', (chunk) => (words += String(chunk)));
  while (!(await ask())) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${child.spawnfile} ended before it was ready: ${words}`);
    await setTimeout(10);
  }
}

function answers(url: string): Promise<boolean> {
  if (url.startsWith('http:'))
    return fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  return new Promise((resolve) => {
    get(url, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function clientOf(endpoint: string, { accessKey, secretKey }: Credentials, region = 'us-east-1', certificates?: Certificates): Client {
  const { protocol, hostname, port } = new URL(endpoint);
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: protocol === 'https:',
    accessKey,
    secretKey,
    region,
    retryOptions: { disableRetry: true },
  });
  if (certificates) client.setRequestOptions({ rejectUnauthorized: false });
  return client;
}
