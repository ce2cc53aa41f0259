import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PODS } from '../kube/resource.ts';
import { VirtualClock } from '../kube/virtual-clock.ts';
import { createWorkQueue } from '../kube/workqueue.ts';
import { serveTelemetry } from './http.ts';
import { about, createLogger } from './log.ts';
import { createMetrics } from './metrics.ts';

test('a line of the log says about which object it is, and keeps secrets to itself', () => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line) => void lines.push(line) });
  const pod = { metadata: { namespace: 'research', name: 'a', uid: 'u', labels: { secret: 'no' } } };
  log
    .child(about(PODS, pod))
    .warn({ token: 'hunter2', store: { secretKey: 'hunter2', endpoint: 'http://minio' }, err: new Error('gone') }, 'No pod.');
  log.debug('not asked for');
  assert.equal(lines.length, 1);
  const { time, err, ...line } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.deepEqual(line, {
    level: 'warn',
    kind: 'Pod',
    namespace: 'research',
    name: 'a',
    uid: 'u',
    token: '(redacted)',
    store: { secretKey: '(redacted)', endpoint: 'http://minio' },
    msg: 'No pod.',
  });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.equal((err as Error).message, 'gone');
});

test('queues, reconciles, requests, watches and the leader are measured', async () => {
  const metrics = createMetrics();
  const clock = new VirtualClock();
  const queue = createWorkQueue({ clock, metrics: metrics.queue('training') });
  queue.add('a');
  queue.add('b');
  await clock.advance(2);
  await queue.take();
  metrics.reconciled('training', { key: 'a', seconds: 0.2 });
  metrics.reconciled('training', { key: 'a', seconds: 0.2, error: new Error('no') });
  metrics.requested({ verb: 'create', plural: 'jobs', code: '409', seconds: 0.01 });
  metrics.watch('pods', () => 17);
  metrics.leader(() => true);
  const text = await metrics.registry.metrics();
  for (const sample of [
    'pggan_operator_queue_depth{queue="training"} 1',
    'pggan_operator_queue_adds_total{queue="training"} 2',
    'pggan_operator_queue_wait_seconds_sum{queue="training"} 2',
    'pggan_operator_reconcile_duration_seconds_count{controller="training"} 2',
    'pggan_operator_reconcile_errors_total{controller="training"} 1',
    'pggan_operator_api_requests_total{verb="create",resource="jobs",code="409"} 1',
    'pggan_operator_watch_staleness_seconds{resource="pods"} 17',
    'pggan_operator_leader 1',
  ])
    assert.ok(text.includes(`\n${sample}\n`), sample);
});

test('probes say what is wrong, and metrics are served as Prometheus wants them', async (t) => {
  const metrics = createMetrics();
  let wrong: string | undefined;
  const server = await serveTelemetry({
    port: 0,
    live: { workers: () => undefined },
    ready: { synced: () => wrong },
    metrics: {
      contentType: metrics.registry.contentType,
      pages: async () => [Buffer.from(await metrics.registry.metrics()), Buffer.from('some_metric 1\n')],
    },
  });
  t.after(() => server.close());
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    return [response.status, await response.text()] as const;
  };
  assert.deepEqual(await ask('/livez'), [200, '[+]workers ok\n']);
  assert.deepEqual(await ask('/readyz'), [200, '[+]synced ok\n']);
  wrong = 'pods have not been listed yet';
  assert.deepEqual(await ask('/readyz'), [503, '[-]synced failed: pods have not been listed yet\n']);
  assert.match((await ask('/metrics'))[1], /^# TYPE pggan_operator_leader gauge$[^]*^some_metric 1$/m);
  assert.equal((await ask('/secrets'))[0], 404);
  assert.equal((await ask('/livez', 'POST'))[0], 405);
});
