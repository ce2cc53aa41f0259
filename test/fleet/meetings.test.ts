/** Two pods of one training that meet are told, by a real API server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pod, PODS } from '../../operator/kube/resource.ts';
import { scene, until } from '../harness/kube.ts';
import { watchMeetings } from '../harness/pod-history.ts';

test('pods that meet are named, with whom; those that follow one another are not, whatever times they name', async (t) => {
  const at = await scene(t);
  if (!at) return;
  const { kube, plane, namespace } = at;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const meetings = await watchMeetings(t, kube, namespace);
  const create = (training: string, name: string): Promise<Pod> => {
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    return kube.create(PODS, {
      metadata: { namespace, name, labels: { 'pggan.dev/training': training } },
      spec: {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [{ name: 'c', image: 'i', securityContext }],
      },
    });
  };
  const end = (name: string, finishedAt: string): Promise<unknown> => {
    const state = { terminated: { exitCode: 0, finishedAt } };
    const status = {
      phase: 'Succeeded',
      containerStatuses: [{ name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state }],
    };
    return plane.admin.send('PATCH', `${pods}/${name}/status`, { status }, 'application/merge-patch+json');
  };
  await create('x', 'one');
  await end('one', '2030-01-01T00:00:00Z');
  await end('one', '2030-01-01T00:00:09Z');
  await create('x', 'two');
  await create('y', 'alone');
  await create('x', 'three');
  await until(() => meetings.met().length > 0 && meetings.retold() > 0);
  assert.deepEqual(meetings.met(), ['three while two']);
  assert.equal(meetings.retold(), 1);
});
