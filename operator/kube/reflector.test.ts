import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createKube } from './client.ts';
import { systemClock } from './clock.ts';
import { anonymous } from './connection.ts';
import type { KubeErrorCode } from './errors.ts';
import { createReflector, type Reflector, type ReflectorOptions, type ReflectorState } from './reflector.ts';
import { CONFIG_MAPS, type ConfigMap } from './resource.ts';
import { json, type Reply, scripted } from './scripted-server.ts';

const object = (name: string, version: number, data = ''): ConfigMap => ({
  metadata: { namespace: 'default', name, uid: `uid-${name}`, resourceVersion: String(version) },
  data: { value: data },
});
const listed =
  (version: number, items: readonly ConfigMap[], more?: string): Reply =>
  (response) =>
    json(response, 200, { kind: 'ConfigMapList', metadata: { resourceVersion: String(version), ...(more && { continue: more }) }, items });
const refused =
  (code: number, reason: string, headers: Record<string, string> = {}): Reply =>
  (response) =>
    json(response, code, { kind: 'Status', status: 'Failure', code, reason, message: reason }, headers);
const line = (type: string, body: unknown): string => `${JSON.stringify({ type, object: body })}\n`;
const bookmark = (version: number): string => line('BOOKMARK', { kind: 'ConfigMap', metadata: { resourceVersion: String(version) } });
/** A watch that says this, and goes on. */
const watched =
  (...parts: readonly (string | Uint8Array)[]): Reply =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const part of parts) response.write(part);
  };
const then =
  (reply: Reply, after: (response: ServerResponse) => void): Reply =>
  (response, asked) => {
    reply(response, asked);
    // What was written has left before the connection breaks.
    response.write('', () => after(response));
  };
const cut = (reply: Reply): Reply => then(reply, (response) => response.socket?.resetAndDestroy());
const ended = (reply: Reply): Reply => then(reply, (response) => response.end());

type Watched = {
  readonly reflector: Reflector<ConfigMap>;
  readonly changes: readonly string[];
  readonly failures: readonly { readonly code: KubeErrorCode; readonly next: ReflectorState['kind']; readonly waitSeconds: number }[];
  /** Resolves when the store holds these objects, written name@version. */
  holds(...objects: readonly string[]): Promise<void>;
  /** Resolves when the state is one of this kind and version. */
  reaches(kind: ReflectorState['kind'], version?: number): Promise<void>;
};

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Runs a reflector against a server until the test ends. Every change and failure is looked at as it comes: nothing is waited for by time. */
function reflect(t: TestContext, origin: string, options: Partial<ReflectorOptions<ConfigMap, ConfigMap>> = {}): Watched {
  const kube = createKube({ origin, prefix: '', tls: {}, credentials: anonymous }, { userAgent: 'test', timeoutSeconds: 5 });
  const changes: string[] = [];
  const failures: { code: KubeErrorCode; next: ReflectorState['kind']; waitSeconds: number }[] = [];
  const reflector = createReflector<ConfigMap, ConfigMap>({
    kube,
    resource: CONFIG_MAPS,
    project: (whole) => whole,
    onChange: ({ kind, object }) => void changes.push(`${kind} ${object.metadata?.name}@${object.metadata?.resourceVersion}`),
    onError: (error, { state, waitSeconds }) => void failures.push({ code: error.code, next: state, waitSeconds }),
    backoff: { minSeconds: 0.001, maxSeconds: 0.002 },
    pageSize: 2,
    ...options,
  });
  const stop = new AbortController();
  const run = reflector.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await run;
    await kube.close();
  });
  const held = (): string =>
    reflector.store
      .list()
      .map(({ metadata }) => `${metadata?.name}@${metadata?.resourceVersion}`)
      .sort()
      .join(' ');
  return {
    reflector,
    changes,
    failures,
    holds: (...objects) => until(() => held() === objects.toSorted().join(' ')),
    reaches: (kind, version) =>
      until(() => {
        const { state } = reflector;
        return state.kind === kind && (version === undefined || ('resourceVersion' in state && state.resourceVersion === String(version)));
      }),
  };
}

const codes = ({ failures }: Watched): readonly string[] => failures.map((failure) => `${failure.code} -> ${failure.next}`);

test('a list of several pages fills the store at once, and the watch goes on where it was taken', async (t) => {
  const server = await scripted(t, [
    listed(10, [object('a', 1), object('b', 2)], 'next'),
    listed(10, [object('c', 3)]),
    watched(line('MODIFIED', object('a', 11)), line('DELETED', object('b', 12)), bookmark(20)),
  ]);
  const seen = reflect(t, server.origin, { namespace: 'default', labelSelector: 'app=pggan' });
  await seen.reflector.synced;
  await seen.reaches('Watching', 20);
  await seen.holds('a@11', 'c@3');
  assert.deepEqual(seen.changes, ['applied a@1', 'applied b@2', 'applied c@3', 'applied a@11', 'deleted b@2']);
  const [first, second, watch] = server.asked;
  assert.ok(
    server.asked.every(({ path, query }) => path === '/api/v1/namespaces/default/configmaps' && query.get('labelSelector') === 'app=pggan'),
  );
  assert.deepEqual([first?.query.get('limit'), first?.query.get('resourceVersion')], ['2', null], 'as new as the server has it');
  assert.deepEqual([second?.query.get('limit'), second?.query.get('continue')], ['2', 'next']);
  assert.deepEqual([watch?.query.get('resourceVersion'), watch?.query.get('allowWatchBookmarks')], ['10', 'true']);
  const timeout = Number(watch?.query.get('timeoutSeconds'));
  assert.ok(timeout >= 300 && timeout <= 600, `the server is asked to end the watch after ${timeout} s`);
});

test('a reader sees nothing of a list that is not whole', async (t) => {
  const server = await scripted(t, [listed(10, [object('a', 1), object('b', 2)], 'next')]);
  const seen = reflect(t, server.origin);
  await seen.reaches('InitPage');
  assert.equal(seen.reflector.store.size, 0);
  assert.deepEqual(seen.changes, []);
});

test('a watch that breaks off goes on after the last event, without a new list', async (t) => {
  const server = await scripted(t, [
    listed(10, [object('a', 1)]),
    cut(watched(line('MODIFIED', object('a', 11)))),
    ended(watched(line('MODIFIED', object('a', 12)), bookmark(15))),
    watched(line('ADDED', object('b', 16))),
  ]);
  const seen = reflect(t, server.origin);
  await seen.holds('a@12', 'b@16');
  assert.deepEqual(codes(seen), ['Dropped -> Watching']);
  assert.deepEqual(
    server.asked.map(({ query }) => query.get('resourceVersion')),
    [null, '10', '11', '15'],
  );
});

test('a watch that breaks off inside a line loses nothing', async (t) => {
  const event = line('MODIFIED', object('a', 11));
  const server = await scripted(t, [listed(10, [object('a', 1)]), ended(watched(event.slice(0, 30))), watched(event)]);
  const seen = reflect(t, server.origin);
  await seen.holds('a@11');
  assert.deepEqual(codes(seen), ['Dropped -> InitListed']);
});

test('410 as an answer and 410 in the stream both lead to a new list, which deletes what vanished meanwhile', async (t) => {
  const expired = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old resource version' };
  const server = await scripted(t, [
    listed(10, [object('a', 1), object('b', 2)]),
    refused(410, 'Expired'),
    listed(20, [object('a', 15)]),
    ended(watched(line('ERROR', expired))),
    listed(30, [object('c', 25)]),
    watched(),
  ]);
  const seen = reflect(t, server.origin);
  await seen.holds('c@25');
  await seen.reaches('InitListed', 30);
  assert.deepEqual(codes(seen), ['Gone -> Empty', 'Gone -> Empty']);
  assert.deepEqual(seen.changes, ['applied a@1', 'applied b@2', 'deleted b@2', 'applied a@15', 'deleted a@15', 'applied c@25']);
});

test('a list that expires between two pages is taken in one piece', async (t) => {
  const server = await scripted(t, [
    listed(10, [object('a', 1), object('b', 2)], 'next'),
    refused(410, 'Expired'),
    listed(20, [object('a', 1), object('c', 3), object('d', 4)]),
    watched(),
  ]);
  const seen = reflect(t, server.origin);
  await seen.holds('a@1', 'c@3', 'd@4');
  assert.deepEqual(codes(seen), ['Gone -> Empty']);
  assert.equal(server.asked[2]?.query.get('limit'), null);
});

test('a page that fails is asked for again; those before it are kept', async (t) => {
  const server = await scripted(t, [
    listed(10, [object('a', 1), object('b', 2)], 'next'),
    refused(500, 'InternalError'),
    (response) => response.socket?.destroy(),
    listed(10, [object('c', 3)]),
    watched(),
  ]);
  const seen = reflect(t, server.origin);
  await seen.holds('a@1', 'b@2', 'c@3');
  assert.deepEqual(codes(seen), ['Unavailable -> InitPage', 'Dropped -> InitPage']);
  assert.deepEqual(
    server.asked.slice(0, 4).map(({ query }) => query.get('continue')),
    [null, 'next', 'next', 'next'],
  );
});

test('an overloaded server is left alone for as long as it asks', async (t) => {
  const server = await scripted(t, [
    refused(429, 'TooManyRequests', { 'retry-after': '7' }),
    listed(10, []),
    (response) => json(response, 503, { kind: 'Status', code: 503, reason: 'ServiceUnavailable', details: { retryAfterSeconds: 7 } }),
    watched(bookmark(11)),
  ]);
  // A thousandth of every wait.
  const clock = { ...systemClock, after: (seconds: number, call: () => void) => systemClock.after(seconds / 1000, call) };
  const seen = reflect(t, server.origin, { clock });
  await seen.reaches('Watching', 11);
  assert.deepEqual(seen.failures, [
    { code: 'TooManyRequests', next: 'Empty', waitSeconds: 7 },
    { code: 'Unavailable', next: 'InitListed', waitSeconds: 7 },
  ]);
});

test('a proxy that answers in HTML, and an answer that is no list, are failures like any other', async (t) => {
  const server = await scripted(t, [
    (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>'),
    (response) => response.writeHead(200).end('<html>Welcome</html>'),
    (response) => json(response, 200, {}),
    listed(10, []),
    watched(bookmark(11)),
  ]);
  const seen = reflect(t, server.origin);
  await seen.reaches('Watching', 11);
  assert.deepEqual(codes(seen), ['Unavailable -> Empty', 'Malformed -> Empty', 'Malformed -> Empty']);
});

test('after a line that makes no sense everything is listed again', async (t) => {
  const nonsense = ['not json\n', '[]\n', 'null\n', line('EXPLODED', object('a', 11)), line('ADDED', { metadata: { name: 'a' } })];
  const replies = nonsense.flatMap((text, round) => [listed(10 + round, [object('a', 1 + round)]), watched(text)]);
  const server = await scripted(t, [...replies, listed(100, [object('a', 100)]), watched()]);
  const seen = reflect(t, server.origin);
  await seen.holds('a@100');
  assert.deepEqual(
    codes(seen),
    nonsense.map(() => 'Malformed -> Empty'),
  );
});

test('letters that are cut in two on their way arrive whole', async (t) => {
  const event = Buffer.from(line('MODIFIED', object('a', 11, 'Lunge – Œdème 肺 🫁')));
  const server = await scripted(t, [
    listed(10, [object('a', 1)]),
    (response) => {
      response.writeHead(200);
      // One chunk of HTTP for each byte.
      for (const byte of event) response.write(Uint8Array.of(byte));
    },
  ]);
  const seen = reflect(t, server.origin);
  await seen.holds('a@11');
  assert.equal(seen.reflector.store.get('default/a')?.data?.['value'], 'Lunge – Œdème 肺 🫁');
});

test('a connection that went silent is left after a while, and nothing is lost', async (t) => {
  const server = await scripted(t, [listed(10, [object('a', 1)]), watched(bookmark(11)), watched(line('MODIFIED', object('a', 12)))]);
  const seen = reflect(t, server.origin, { idleSeconds: 0.05 });
  await seen.holds('a@12');
  assert.equal(codes(seen)[0], 'Timeout -> Watching');
  assert.equal(server.asked[2]?.query.get('resourceVersion'), '11');
});

test('a server that accepts watches and ends them at once is not asked in a tight loop', async (t) => {
  const server = await scripted(t, [listed(10, []), ended(watched()), ended(watched()), watched(bookmark(11))]);
  const seen = reflect(t, server.origin);
  await seen.reaches('Watching', 11);
  assert.deepEqual(codes(seen), ['Dropped -> InitListed', 'Dropped -> InitListed']);
});

test('now and then everything is listed again, so that an event that never came does no lasting harm', async (t) => {
  const server = await scripted(t, [listed(10, [object('a', 1)]), ended(watched(bookmark(11))), listed(12, [object('a', 9)]), watched()]);
  const seen = reflect(t, server.origin, { relistSeconds: 0 });
  await seen.holds('a@9');
  assert.deepEqual(codes(seen), []);
});

test('what a projection leaves out is not kept', async (t) => {
  const server = await scripted(t, [listed(10, [object('a', 1, 'secret')]), watched(line('ADDED', object('b', 11, 'secret')))]);
  const seen = reflect(t, server.origin, { project: ({ metadata }) => ({ metadata: metadata ?? {} }) });
  await seen.holds('a@1', 'b@11');
  assert.doesNotMatch(JSON.stringify(seen.reflector.store.list()), /secret/);
});
