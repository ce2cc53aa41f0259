/** A training's life as the API server shows it, operator and all, with the parts of Job controller and kubelet played by hand: how it stands at each turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PreflightProgress } from '../crds/progress.ts';
import { HEALTH, type Health } from '../operator/health.ts';
import { type Pod, PODS, refOf, keyOf } from '../operator/kube/resource.ts';
import { type StoredTraining, TRAININGS } from '../operator/training/stored.ts';
import { judgeHealth } from './harness/judge-health.ts';
import { playJobs } from './harness/job-controller.ts';
import { scene, type Scene, until } from './harness/kube.ts';
import { runOperator, SPEC } from './harness/operator-here.ts';

const ANSWER: PreflightProgress = {
  version: 'v1',
  kind: 'preflight',
  state: 'Complete',
  fingerprint: 'f',
  differences: [],
  images: 0,
  complete: false,
  datasetBytes: { '4': 66, '8': 66 },
  time: '2030-01-01T00:00:00Z',
};

test('at every turn of its life kstatus, Argo CD and Flux make of a stored training what docs/states.md says', async (t) => {
  const given = await scene(t);
  if (!given) return;
  const training = stored(given, 'x');
  const turns: { readonly turn: string; readonly health: Health; readonly object: StoredTraining }[] = [];
  const keep = async (turn: string, health: Health, reason?: string): Promise<void> => {
    await until(async () => reason === undefined || (await training.reason()) === reason);
    turns.push({ turn, health, object: await training.now() });
  };

  await training.create(SPEC);
  await keep('just created', 'working');
  await runOperator(t, given);
  playJobs(t, given);
  const pod = pods(given);

  await pod.runs('x-preflight');
  await keep('preflight', 'working', 'Preflight');
  await pod.ends('x-preflight', 0, JSON.stringify(ANSWER));
  await keep('scheduling', 'working', 'Scheduling');
  await pod.runs('x-4');
  await keep('running', 'working', 'Training');
  await training.edit({ suspend: true });
  await keep('suspended', 'suspended', 'Suspended');
  await pod.ends('x-4', 75);
  await training.edit({ suspend: false });
  await pod.runs('x-4');
  await keep('resumed', 'working', 'Training');
  await pod.ends('x-4', 4);
  await keep('store gone', 'working', 'StoreUnavailable');
  await training.retry('1');
  await pod.runs('x-4');
  await keep('retried', 'working', 'Training');
  await pod.ends('x-4', 2);
  await keep('stalled', 'failed', 'Invalid');
  await training.retry('2');
  await pod.runs('x-4');
  await keep('retried again', 'working', 'Training');
  await pod.ends('x-4', 0);
  await pod.runs('x-8');
  await pod.ends('x-8', 0);
  await keep('succeeded', 'done', 'Complete');
  await training.edit({ totalKimg: 5 });
  await pod.runs('x-8');
  await keep('extended', 'working', 'Training');
  await training.remove();
  await keep('deleted', 'going', 'Deleting');

  const invalid = stored(given, 'y');
  await invalid.create({ ...SPEC, totalKimg: 1 });
  await until(async () => (await invalid.reason()) === 'InvalidSpec');
  turns.push({ turn: 'invalid', health: 'failed', object: await invalid.now() });
  const queued = stored(given, 'z');
  await queued.create({ ...SPEC, queue: { name: 'gpu' } });
  await until(async () => (await queued.reason()) === 'Queued');
  turns.push({ turn: 'queued', health: 'working', object: await queued.now() });

  const verdicts = judgeHealth(
    t,
    turns.map(({ object }) => object),
  );
  if (!verdicts) return;
  assert.deepEqual(
    verdicts.map(({ kstatus, argo, flux }, at) => [turns[at]?.turn, kstatus.status, argo.status, flux.status]),
    turns.map(({ turn, health }) => [turn, HEALTH[health].kstatus, HEALTH[health].argo, HEALTH[health].flux]),
  );
});

/** What a person does to a training, and sees of it. */
function stored({ kube, namespace }: Scene, name: string) {
  const ref = { namespace, name };
  const now = (): Promise<StoredTraining> => kube.get(TRAININGS, ref);
  return {
    now,
    create: (spec: object) => kube.create(TRAININGS, { metadata: ref, spec: spec as StoredTraining['spec'] }),
    edit: (spec: object) => kube.patch(TRAININGS, ref, { merge: { spec } }),
    retry: (value: string) => kube.patch(TRAININGS, ref, { merge: { metadata: { annotations: { 'pggan.dev/retry': value } } } }),
    remove: () => kube.delete(TRAININGS, ref),
    reason: async () => (await now()).status?.conditions?.find(({ type }) => type === 'Ready')?.reason,
  };
}

/** The kubelet's part: the one unfinished pod of a Job starts, and ends. One that was told to end goes when it has. */
function pods({ kube, namespace, plane }: Scene) {
  const find = async (job: string, phase: string): Promise<Pod> => {
    let found: Pod | undefined;
    await until(async () => {
      const { items } = await kube.list(PODS, { namespace });
      found = items.find(({ metadata, status }) => metadata?.ownerReferences?.[0]?.name === job && status?.phase === phase);
      return found !== undefined;
    });
    return found ?? assert.fail();
  };
  const tell = (pod: Pod, phase: string, state: object): Promise<unknown> => {
    const status = { phase, containerStatuses: [{ name: 'trainer', image: 'i', imageID: 'i', ready: false, restartCount: 0, state }] };
    return kube.patch(PODS, refOf(keyOf(pod)), { merge: { status } }, { subresource: 'status' });
  };
  return {
    async runs(job: string): Promise<void> {
      await tell(await find(job, 'Pending'), 'Running', { running: { startedAt: new Date().toISOString() } });
    },
    async ends(job: string, exitCode: number, message = ''): Promise<void> {
      const pod = await find(job, 'Running');
      const finishedAt = new Date().toISOString();
      await tell(pod, exitCode === 0 ? 'Succeeded' : 'Failed', { terminated: { exitCode, message, finishedAt } });
      // What had been told to end is the kubelet's to remove; what has ended already went at once.
      const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata?.name}`;
      const { items } = await kube.list(PODS, { namespace });
      const left = items.find(({ metadata }) => metadata?.uid === pod.metadata?.uid);
      if (left?.metadata?.deletionTimestamp !== undefined) await plane.admin.send('DELETE', path, { gracePeriodSeconds: 0 });
    },
  };
}
