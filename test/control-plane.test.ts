/** The control plane that other tests stand on: it refuses and records as a real one does, several run at once, and nothing of it is left. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createApiClient } from './harness/api-client.ts';
import { binary } from './harness/binaries.ts';
import { startControlPlane } from './harness/control-plane.ts';
import { isAlive } from './harness/processes.ts';
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

type AuditEvent = { readonly user: { readonly username: string }; readonly verb: string };
