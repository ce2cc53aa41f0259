/** What the operator bears from a pod that it asks for its progress: anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { MAX_PROGRESS_BYTES } from '../../crds/progress.ts';
import { createKube } from '../kube/client.ts';
import { readPodThrough, readProgress } from './read.ts';

const DOCUMENT = JSON.stringify({
  version: 'v1',
  kind: 'synthesis',
  state: 'Synthesizing',
  done: 3,
  wanted: 9,
  time: '2030-01-01T00:00:00Z',
});

/** The port of a server that answers so until the test ends. */
async function serve(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('a document is read', async (t) => {
  const port = await serve(t, (_, response) => response.end(DOCUMENT));
  assert.partialDeepStrictEqual(await readProgress('127.0.0.1', port), { kind: 'synthesis', done: 3 });
});

test('a redirect is not followed: a pod must not choose whom the operator asks', async (t) => {
  let asked = 0;
  const elsewhere = await serve(t, (_, response) => {
    asked += 1;
    response.end(DOCUMENT);
  });
  const port = await serve(t, (_, response) => response.writeHead(302, { location: `http://127.0.0.1:${elsewhere}/progress` }).end());
  assert.equal(await readProgress('127.0.0.1', port), undefined);
  assert.equal(asked, 0);
});

const ANSWERS: readonly { readonly what: string; readonly answer: RequestListener }[] = [
  { what: 'an error', answer: (_, response) => response.writeHead(500).end(DOCUMENT) },
  { what: 'an error whose body never ends', answer: (_, response) => response.writeHead(503).write('x') },
  { what: 'half a document', answer: (_, response) => response.end(DOCUMENT.slice(0, 40)) },
  { what: 'a document of another version', answer: (_, response) => response.end(DOCUMENT.replace('v1', 'v9')) },
  { what: 'a document that is too large', answer: (_, response) => response.end(DOCUMENT.padEnd(MAX_PROGRESS_BYTES + 1)) },
  { what: 'a body without end', answer: (_, response) => flood(response) },
  { what: 'a connection that breaks', answer: (request) => request.socket.destroy() },
  { what: 'nothing at all', answer: () => {} },
];

function flood(response: Parameters<RequestListener>[1]): void {
  while (response.write('x'.repeat(1024)));
  response.once('drain', () => flood(response));
}

for (const { what, answer } of ANSWERS) {
  test(`${what} counts as no answer`, async (t) => {
    const port = await serve(t, answer);
    assert.equal(await readProgress('127.0.0.1', port, 200), undefined);
  });
}

/** A pod, asked through an API server that passes on what `answer` says; `forgotten` counts how often credentials were given up. */
async function throughServer(t: TestContext, answer: RequestListener) {
  let forgotten = 0;
  const credentials = {
    headers: () => Promise.resolve({ authorization: 'Bearer t' }),
    refused: () => {
      forgotten += 1;
    },
  };
  const origin = `http://127.0.0.1:${await serve(t, answer)}`;
  const kube = createKube({ origin, prefix: '/prefix', tls: {}, credentials }, { userAgent: 'test' });
  t.after(() => kube.close());
  const pod = { metadata: { namespace: 'research', name: 'tiny-4-x' }, status: { podIP: '10.0.0.1' } };
  const read = () => readPodThrough(kube, 200)(pod, 8080);
  return { read, forgotten: () => forgotten };
}

test('through the API server a document is read with its credentials', async (t) => {
  const asked: unknown[] = [];
  const { read } = await throughServer(t, ({ method, url, headers }, response) => {
    asked.push([method, url, headers.authorization]);
    response.end(DOCUMENT);
  });
  assert.partialDeepStrictEqual(await read(), { kind: 'synthesis', done: 3 });
  assert.deepEqual(asked, [['GET', '/prefix/api/v1/namespaces/research/pods/tiny-4-x%3A8080/proxy/progress', 'Bearer t']]);
});

for (const { what, answer } of ANSWERS) {
  test(`through the API server ${what} counts as no answer`, async (t) => {
    const { read } = await throughServer(t, answer);
    assert.equal(await read(), undefined);
  });
}

test('through the API server a pod cannot redirect, nor make the operator doubt its credentials', async (t) => {
  let asked = 0;
  const { read, forgotten } = await throughServer(t, (_, response) => {
    asked += 1;
    response.writeHead(asked === 1 ? 302 : 401, { location: '/elsewhere' }).end(DOCUMENT);
  });
  assert.equal(await read(), undefined);
  assert.equal(await read(), undefined);
  assert.deepEqual([asked, forgotten()], [2, 0]);
});
