/** What the operator bears from a pod that it asks for its progress: anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { MAX_PROGRESS_BYTES } from '../../crds/progress.ts';
import { readProgress } from './read.ts';

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
