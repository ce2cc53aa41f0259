/** The control plane that other tests stand on: it refuses and records as a real one does, several run at once, and nothing of it is left. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createApiClient } from './harness/api-client.ts';
import { binary } from './harness/binaries.ts';
import { startControlPlane } from './harness/control-plane.ts';
import { isAlive } from './harness/processes.ts';
import { startServer } from './harness/server-process.ts';
import { freshNamespace } from './harness/shared-control-plane.ts';

test('two control planes run side by side, and leave no process and no file', async (t) => {
  const [etcd, apiServer] = [binary(t, 'etcd'), binary(t, 'kube-apiserver')];
  if (etcd === undefined || apiServer === undefined) return;
  const planes = await Promise.all([startControlPlane({ etcd, apiServer }), startControlPlane({ etcd, apiServer })]);
  const [one, other] = planes;
  try {
    const namespace = await freshNamespace(one.admin);
    assert.equal((await other.admin.send('GET', `/api/v1/namespaces/${namespace}`)).status, 404);

    await t.test('a user without a role is refused, and the audit log tells who asked for what', async () => {
      const { cert, key } = one.authority.client({ user: 'nobody', groups: ['strangers'] });
      const nobody = createApiClient(one.url, { ca: one.authority.ca, cert, key });
      const { status } = await nobody.send('GET', `/api/v1/namespaces/${namespace}/secrets`);
      await nobody.close();
      assert.equal(status, 403);
      const events = readFileSync(one.auditLog, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as AuditEvent);
      const [asked] = events.filter(({ user }) => user.username === 'nobody');
      assert.partialDeepStrictEqual(asked, {
        verb: 'list',
        objectRef: { resource: 'secrets', namespace },
        user: { groups: ['strangers', 'system:authenticated'] },
        annotations: { 'authorization.k8s.io/decision': 'forbid' },
      });
    });
  } finally {
    await Promise.all(planes.map((plane) => plane.stop()));
  }
  for (const { processes, folder } of planes) {
    assert.ok(processes.every(({ pid }) => !isAlive(pid)));
    assert.ok(!existsSync(folder));
  }
});

test('a server that does not come up is told with its own words and the way it ended', async (t) => {
  const [etcd, apiServer] = [binary(t, 'etcd'), binary(t, 'kube-apiserver')];
  if (etcd === undefined || apiServer === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'pggan-no-etcd-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const broken = join(folder, 'etcd');
  writeFileSync(broken, '#!/bin/sh\necho the disk is on fire >&2\nexit 7\n', { mode: 0o755 });
  await assert.rejects(startControlPlane({ etcd: broken, apiServer }), {
    message: /^etcd ended before it was ready\n--- etcd\nthe disk is on fire\n\n\(ended with exit code 7\)\n--- kube-apiserver/,
  });
});

test('what a server has said is asked for also when its log is gone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-no-log-'));
  const server = startServer('sleep', ['60'], join(folder, 'log'));
  t.after(() => server.kill());
  rmSync(folder, { recursive: true });
  assert.match(server.output(), /^\(its log cannot be read: ENOENT/);
  await server.kill();
  assert.match(server.output(), /\(ended by SIGKILL\)$/);
});

type AuditEvent = { readonly user: { readonly username: string }; readonly verb: string };
