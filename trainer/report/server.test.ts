import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { parseProgress } from '../../crds/progress.ts';
import { type ReportServer, startServer } from './server.ts';
import { someProgress } from './test-progress.ts';

async function serve(t: TestContext, deadlineSeconds = 3600): Promise<{ readonly server: ReportServer; readonly base: string }> {
  const server = await startServer({ port: 0, host: '127.0.0.1', deadlineSeconds });
  t.after(() => server.close());
  return { server, base: `http://127.0.0.1:${server.port}` };
}

test('progress is served as the document it is, the newest one', async (t) => {
  const { server, base } = await serve(t);
  const before = await fetch(`${base}/progress`);
  assert.equal(before.status, 503, 'nothing to report yet');
  server.update({ ...someProgress, tick: 1 });
  server.update(someProgress);
  const response = await fetch(`${base}/progress`);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.deepEqual(parseProgress(await response.text()), someProgress);
});

test('it answers while the main thread is blocked', async (t) => {
  const { server, base } = await serve(t);
  server.update(someProgress);
  // A second thread asks; this one lies in Atomics.wait until it has the answer, as in a training step.
  const signal = new Int32Array(new SharedArrayBuffer(8));
  const asking = new Worker(
    `const { workerData: { url, signal } } = require('node:worker_threads');
     fetch(url).then((response) => { Atomics.store(signal, 1, response.status); Atomics.store(signal, 0, 1); Atomics.notify(signal, 0); });`,
    { eval: true, workerData: { url: `${base}/progress`, signal } },
  );
  t.after(() => asking.terminate());
  assert.notEqual(Atomics.wait(signal, 0, 0, 20_000), 'timed-out');
  assert.equal(signal[1], 200);
});

test('metrics say what the document says, in base units, each family with HELP and TYPE', async (t) => {
  const { server, base } = await serve(t);
  server.update(someProgress);
  const response = await fetch(`${base}/metrics`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).trimEnd().split('\n');
  const samples = new Map(
    lines
      .filter((line) => !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
  assert.equal(samples.get('pggan_trainer_images'), 12_800);
  assert.equal(samples.get('pggan_trainer_loss{network="generator",resolution="32"}'), -0.5);
  assert.equal(samples.get('pggan_trainer_loss{network="discriminator",resolution="32"}'), 1.25);
  assert.equal(samples.get('pggan_trainer_gradient_norm{resolution="32"}'), 0.875);
  assert.equal(samples.get('pggan_trainer_checkpoint_timestamp_seconds'), Date.parse('2026-01-01T00:00:00.500Z') / 1000);
  assert.equal(samples.get('pggan_trainer_checkpoint_bytes'), 4096);
  assert.equal(samples.get('pggan_trainer_checkpoint_save_seconds'), 0.25);
  for (const name of samples.keys()) {
    const family = name.replace(/\{.*/, '');
    assert.equal(lines.filter((line) => line.startsWith(`# HELP ${family} `)).length, 1, family);
    assert.equal(lines.filter((line) => line === `# TYPE ${family} gauge`).length, 1, family);
  }
});

test('before the first tick there are no losses, and no sample pretends otherwise', async (t) => {
  const { server, base } = await serve(t);
  const { losses: _, checkpoint: __, checkpointSeconds: _____, secondsPerKimg: ___, imagesPerSecond: ____, ...young } = someProgress;
  server.update(young);
  const text = await (await fetch(`${base}/metrics`)).text();
  assert.doesNotMatch(text, /loss|score|checkpoint|NaN|undefined/);
  assert.match(text, /^pggan_trainer_images 12800$/m);
});

test('the watchdog fails when no step has finished within the deadline, and recovers with the next', async (t) => {
  const { base } = await serve(t, 0.05);
  while ((await fetch(`${base}/healthz`)).status === 200);
  const late = await fetch(`${base}/healthz`);
  assert.equal(late.status, 503);
  assert.match(await late.text(), /no step has finished for \d+ s/);

  const patient = await serve(t);
  patient.server.step();
  assert.equal((await fetch(`${patient.base}/healthz`)).status, 200);
});

test('only GET and HEAD are answered, and only known paths', async (t) => {
  const { server, base } = await serve(t);
  server.update(someProgress);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const response = await fetch(`${base}/progress`, { method });
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.get('allow'), 'GET, HEAD');
  }
  const head = await fetch(`${base}/progress`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  assert.ok(Number(head.headers.get('content-length')) > 100);
  for (const path of ['/', '/progress/', '/../etc/passwd', '//progress', '/metrics2'])
    assert.equal((await fetch(base + path)).status, 404, path);
  assert.equal((await fetch(`${base}/progress?x=1`)).status, 200);
});

test('a body, a huge header and a request that is none are refused, and the server lives on', async (t) => {
  const { server, base } = await serve(t);
  server.update(someProgress);
  assert.equal((await fetch(`${base}/progress`, { method: 'POST', body: 'x'.repeat(100_000) })).status, 413);
  const huge = await new Promise<number | undefined>((resolve) => {
    const sent = request(`${base}/progress`, { headers: { 'x-large': 'y'.repeat(12_000) } }, (response) => resolve(response.statusCode));
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
  assert.ok(huge === 431 || huge === undefined, String(huge));
  const garbage = await new Promise<string>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write('\x16\x03\x01 not http\r\n\r\n'));
    socket.once('data', (data) => resolve(String(data)));
  });
  assert.match(garbage, /^HTTP\/1\.1 400/);
  assert.equal((await fetch(`${base}/progress`)).status, 200);
});

test('a port that is taken is an error that names it', async (t) => {
  const { server } = await serve(t);
  await assert.rejects(startServer({ port: server.port, host: '127.0.0.1', deadlineSeconds: 60 }), {
    code: 'OptionsInvalid',
    message: new RegExp(`127\\.0\\.0\\.1:${server.port}: .*EADDRINUSE`),
  });
});

test('a document that is too large goes out without its warnings', async (t) => {
  const { server, base } = await serve(t);
  server.update({ ...someProgress, warnings: Array(8).fill('é'.repeat(2000)) });
  assert.deepEqual(await (await fetch(`${base}/progress`)).json(), someProgress);
});
