import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { anonymous, type Credentials } from './connection.ts';
import { isKubeError } from './errors.ts';
import { json, type Reply, scripted } from './scripted-server.ts';
import { createTransport, type HttpRequest, type RequestReport, type Transport, type TransportOptions } from './transport.ts';

const GET: HttpRequest = { verb: 'get', plural: 'jobs', method: 'GET', path: '/apis/batch/v1/jobs' };
const ok: Reply = (response) => json(response, 200, { ok: true });
const refused: Reply = (response) => json(response, 401, { kind: 'Status', code: 401, reason: 'Unauthorized', message: 'no' });
const endless: Reply = (response) => void response.writeHead(200).write('{');

type Opened = {
  readonly transport: Transport;
  readonly reports: readonly RequestReport[];
  readonly server: Awaited<ReturnType<typeof scripted>>;
};

async function opened(
  t: TestContext,
  replies: readonly Reply[],
  options: Partial<TransportOptions> = {},
  credentials: Credentials = anonymous,
): Promise<Opened> {
  const server = await scripted(t, replies);
  const reports: RequestReport[] = [];
  const onRequest = (report: RequestReport): void => void reports.push(report);
  const transport = createTransport(
    { origin: server.origin, prefix: '', tls: {}, credentials },
    { userAgent: 'test', onRequest, ...options },
  );
  t.after(() => transport.close());
  return { transport, reports, server };
}

const codes = (reports: readonly RequestReport[]): readonly string[] =>
  reports.map(({ verb, plural, code }) => `${verb} ${plural} ${code}`);

test('requests share few connections, and keep them', async (t) => {
  const { transport, server } = await opened(t, Array<Reply>(60).fill(ok), { connections: 3 });
  for (let round = 0; round < 3; round += 1) await Promise.all(Array.from({ length: 20 }, () => transport.send(GET)));
  assert.equal(server.connections, 3);
});

test('a request that is not answered ends at its deadline, and is counted', async (t) => {
  const { transport, reports } = await opened(t, [], { timeoutSeconds: 0.05 });
  await assert.rejects(
    transport.send(GET),
    (error) => isKubeError(error, 'Timeout') && /get jobs .* no answer within 0.05 seconds/.test(error.message),
  );
  assert.deepEqual(codes(reports), ['get jobs Timeout']);
});

test('an answer that never ends is a timeout too', async (t) => {
  const { transport } = await opened(t, [endless], { timeoutSeconds: 0.05 });
  await assert.rejects(transport.send(GET), (error) => isKubeError(error, 'Timeout'));
});

test('a caller that gives up gets its own reason', async (t) => {
  const { transport, reports } = await opened(t, []);
  const controller = new AbortController();
  const sent = transport.send({ ...GET, signal: controller.signal });
  controller.abort(new Error('shutting down'));
  await assert.rejects(sent, /shutting down/);
  assert.deepEqual(codes(reports), ['get jobs Aborted']);
});

test('a server that is not there is unavailable; one that hangs up may have done what was asked', async (t) => {
  const { transport, reports, server } = await opened(t, [(response) => response.socket?.destroy()]);
  await assert.rejects(transport.send(GET), (error) => isKubeError(error, 'Dropped'));
  const nowhere = createTransport({ origin: 'http://127.0.0.1:1', prefix: '', tls: {}, credentials: anonymous }, { userAgent: 'test' });
  t.after(() => nowhere.close());
  await assert.rejects(nowhere.send(GET), (error) => isKubeError(error, 'Unavailable'));
  assert.deepEqual(codes(reports), ['get jobs Dropped']);
  assert.equal(server.asked.length, 1, 'nothing is sent twice');
});

test('where credentials are refused, new ones are asked for, once', async (t) => {
  let lookups = 0;
  const credentials: Credentials = { headers: () => Promise.resolve({ authorization: 'Bearer x' }), refused: () => void (lookups += 1) };
  const { transport, reports } = await opened(t, [refused, ok, refused, refused], {}, credentials);
  assert.deepEqual((await transport.send(GET)).body, { ok: true });
  await assert.rejects(transport.send(GET), (error) => isKubeError(error, 'Unauthorized'));
  assert.equal(lookups, 2);
  assert.deepEqual(codes(reports), ['get jobs 200', 'get jobs 401']);
});

test('warnings are read, with their quotes, several of one answer too', async (t) => {
  const warning = ['299 - "field \\"a\\" is deprecated"', '299 - "one", 299 - "two"'];
  const { transport } = await opened(t, [(response) => json(response, 200, {}, { warning })]);
  assert.deepEqual((await transport.send(GET)).warnings, ['field "a" is deprecated', 'one', 'two']);
});
