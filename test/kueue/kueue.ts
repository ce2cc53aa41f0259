/** `npm run test:kueue`: trainings in queues of the real Kueue, on the real Job controller and scheduler, with pods that only pretend to train. */
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { isTrue } from '../../operator/kube/conditions.ts';
import { EVENTS, type Job, JOBS, type Pod, PODS } from '../../operator/kube/resource.ts';
import { type StoredStatus, type StoredTraining, TRAININGS } from '../../operator/training/stored.ts';
import { clusterBinaries, startCluster } from '../harness/cluster.ts';
import { FLEET, fleetTraining, TALES } from '../harness/fleet-trainings.ts';
import { POD_ANNOTATIONS } from '../harness/kwok-stages.ts';
import { openKube, type Scene, until } from '../harness/kube.ts';
import { kueueBinaries, startKueue } from '../harness/kueue.ts';
import { makeQueue, PRIORITIES, watchQuota } from '../harness/kueue-queues.ts';
import { runOperator } from '../harness/operator-here.ts';
import { watchPods } from '../harness/pod-history.ts';
import { installKinds } from '../harness/install-kinds.ts';

test('a training in a queue of Kueue', async (t) => {
  const at = await stage(t);
  if (!at) return;
  await t.test('phases queue one by one, and hold quota as long as they run, not longer', () => oneByOne(t, at));
  await t.test('suspending a training frees its quota, and resuming it queues it again', () => suspension(t, at));
  await t.test('preemption by priority costs a resume and no failure', () => preemption(t, at));
});

// Behind all that talks to it.
let stopPlane: (() => Promise<void>) | undefined;
after(() => stopPlane?.());

async function stage(t: TestContext): Promise<Scene | undefined> {
  const [cluster, kueue] = [clusterBinaries(t), kueueBinaries(t)];
  if (!cluster || !kueue) return undefined;
  const plane = await startCluster(cluster, { nodes: 1, tales: TALES });
  stopPlane = () => plane.stop();
  await installKinds(plane.admin);
  await startKueue(t, plane, kueue);
  const kube = await openKube(t, plane);
  await plane.admin.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: FLEET } });
  const account = `/api/v1/namespaces/${FLEET}/serviceaccounts/default`;
  await until(async () => (await plane.admin.send('GET', account)).status === 200);
  for (const priority of PRIORITIES) await plane.admin.send('POST', '/apis/kueue.x-k8s.io/v1beta2/workloadpriorityclasses', priority);
  const scene = { plane, kube, namespace: FLEET };
  await runOperator(t, scene, { pollSeconds: 1 });
  return scene;
}

/** Three phases: 4x4, 8x8, 16x16. */
const THREE = {
  'spec/resolution': 16,
  'spec/totalKimg': 3000,
  'spec/phases': undefined,
  'spec/schedule': { trainKimg: 600, transitionKimg: 600 },
};
const ONE = { ...THREE, 'spec/schedule': { trainKimg: 600, transitionKimg: 600, initialResolution: 16 } };
/** Whose first pod runs until it is told to end. */
const HOLDS = { 'spec/phases': [{ resolution: 4, template: { annotations: { [POD_ANNOTATIONS.runsFor]: 'ever' } } }] };

async function create({ kube }: Scene, name: string, queue: object, changes: object): Promise<void> {
  await kube.create(TRAININGS, fleetTraining(name, 0.5, { ...changes, 'spec/queue': queue }));
}

async function oneByOne(t: TestContext, at: Scene): Promise<void> {
  const queue = await makeQueue(at, 'single', 1);
  const quota = await watchQuota(t, at, 'single');
  for (const name of ['a', 'b']) await create(at, name, { name: 'single' }, THREE);
  const statuses = await Promise.all(['a', 'b'].map((name) => succeeded(at, name)));

  assert.equal(quota.mostAtOnce(), 1);
  const admitted = quota.admitted();
  for (const [place, resolution] of [4, 8, 16].entries())
    assert.deepEqual(admitted.slice(2 * place, 2 * place + 2).toSorted(), [`a-${resolution}`, `b-${resolution}`], admitted.join());
  assert.equal(admitted.length, 6);
  for (const { phases, failures } of statuses) {
    assert.equal(failures, 0);
    for (const { resolution, wait } of phases) assert.ok(wait?.admittedAt !== undefined && wait.seconds !== undefined, `${resolution}`);
  }
  // All objects are there still; what they held is free.
  await until(async () => (await queue.usedGpus()) === 0);
  const { items } = await at.kube.list(JOBS, { namespace: FLEET });
  assert.equal(items.filter(({ metadata }) => /^[ab]-/.test(metadata?.name ?? '')).length, 8);
}

async function suspension(t: TestContext, at: Scene): Promise<void> {
  const queue = await makeQueue(at, 'shared', 1);
  const pods = await watchPods(t, at.kube, FLEET);
  await create(at, 'holder', { name: 'shared' }, { ...THREE, ...HOLDS });
  await running(at, 'holder-4');
  await create(at, 'waiter', { name: 'shared' }, THREE);
  await until(async () => (await reasonOf(at, 'waiter')) === 'Queued' && (await jobOf(at, 'waiter-4')) !== undefined);
  assert.equal((await jobOf(at, 'waiter-4'))?.spec?.suspend, true);

  await edit(at, 'holder', { suspend: true });
  await succeeded(at, 'waiter');
  assert.deepEqual(pods.exitCodes('holder-4-'), [75]);
  assert.equal(await jobOf(at, 'holder-4'), undefined);
  await until(async () => (await queue.usedGpus()) === 0);
  const { failures, disruptions } = await statusOf(at, 'holder');
  assert.deepEqual([failures, disruptions, await reasonOf(at, 'holder')], [0, 0, 'Suspended']);

  await edit(at, 'holder', { suspend: false, phases: [] });
  const resumed = await succeeded(at, 'holder');
  assert.deepEqual([resumed.failures, resumed.disruptions, attemptsOf(resumed)], [0, 0, 2]);
  await told(at, 'holder', 'Suspended', 'Unsuspended', 'TrainingResumed');
}

async function preemption(t: TestContext, at: Scene): Promise<void> {
  await makeQueue(at, 'contended', 1);
  const pods = await watchPods(t, at.kube, FLEET);
  await create(at, 'low', { name: 'contended', priorityClass: 'low' }, { ...THREE, ...HOLDS });
  const pod = await running(at, 'low-4');
  const job = await jobOf(at, 'low-4');

  await create(at, 'high', { name: 'contended', priorityClass: 'high' }, ONE);
  await succeeded(at, 'high');
  assert.deepEqual(pods.exitCodes('low-4-'), [75]);

  const again = await running(at, 'low-4', pod);
  assert.equal((await jobOf(at, 'low-4'))?.metadata?.uid, job?.metadata?.uid, 'its Job was made anew');
  const annotations = { [POD_ANNOTATIONS.runsFor]: '0s' };
  await at.kube.patch(PODS, { namespace: FLEET, name: nameOf(again) }, { merge: { metadata: { annotations } } });
  const ended = await succeeded(at, 'low');
  assert.deepEqual([ended.failures, ended.disruptions, attemptsOf(ended)], [0, 1, 2]);
  assert.deepEqual(pods.exitCodes('low-4-'), [75, 0]);
  assert.equal(pods.mostAtOnce('low'), 1);
  await told(at, 'low', 'TrainingResumed', 'Succeeded');
}

const nameOf = ({ metadata }: Pod): string => metadata?.name ?? '';
const attemptsOf = ({ phases }: StoredStatus): number | undefined => phases.find(({ resolution }) => resolution === 4)?.attempts;

/** The pod of a Job that runs, another one than `before`. */
async function running({ kube }: Scene, job: string, before?: Pod): Promise<Pod> {
  let found: Pod | undefined;
  await until(async () => {
    const { items } = await kube.list(PODS, { namespace: FLEET, labelSelector: `batch.kubernetes.io/job-name=${job}` });
    found = items.find(({ metadata, status }) => status?.phase === 'Running' && metadata?.deletionTimestamp === undefined);
    return found !== undefined && found.metadata?.uid !== before?.metadata?.uid;
  });
  return found ?? assert.fail();
}

function jobOf({ kube }: Scene, name: string): Promise<Job | undefined> {
  return kube.get(JOBS, { namespace: FLEET, name }).catch(() => undefined);
}

function edit({ kube }: Scene, name: string, spec: object): Promise<unknown> {
  return kube.patch(TRAININGS, { namespace: FLEET, name }, { merge: { spec } });
}

async function statusOf({ kube }: Scene, name: string): Promise<Partial<StoredStatus>> {
  const { status = {} }: StoredTraining = await kube.get(TRAININGS, { namespace: FLEET, name });
  return status;
}

async function reasonOf(at: Scene, name: string): Promise<string | undefined> {
  return (await statusOf(at, name)).conditions?.find(({ type }) => type === 'Progressing')?.reason;
}

/** Its status when it has succeeded; fails when it stalls. */
async function succeeded(at: Scene, name: string): Promise<StoredStatus> {
  await until(async () => {
    const { conditions } = await statusOf(at, name);
    const stalled = conditions?.find(({ type }) => type === 'Stalled');
    assert.equal(stalled, undefined, stalled?.message);
    return isTrue(conditions, 'Succeeded');
  });
  return (await statusOf(at, name)) as StoredStatus;
}

/** Events are told behind what they tell of. */
async function told({ kube }: Scene, name: string, ...reasons: readonly string[]): Promise<void> {
  await until(async () => {
    const { items } = await kube.list(EVENTS, { namespace: FLEET });
    const all = new Set(items.filter(({ regarding }) => regarding?.name === name).map(({ reason }) => reason));
    return reasons.every((reason) => all.has(reason));
  });
}
