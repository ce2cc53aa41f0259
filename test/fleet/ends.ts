/** Part of `npm run test:fleet`: how pods end, and what becomes of it, with the real Job controller between them and the operator. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isTrue } from '../../operator/kube/conditions.ts';
import { type Job, JOBS, type Pod, PODS } from '../../operator/kube/resource.ts';
import { type StoredStatus, type StoredTraining, TRAININGS } from '../../operator/training/stored.ts';
import { NO_FAULTS } from '../harness/api-proxy.ts';
import { binary } from '../harness/binaries.ts';
import { clusterBinaries } from '../harness/cluster.ts';
import { type Fleet, startFleet } from '../harness/fleet.ts';
import { FLEET, fleetTraining } from '../harness/fleet-trainings.ts';
import { POD_ANNOTATIONS } from '../harness/kwok-stages.ts';
import { until } from '../harness/kube.ts';

/** Of two phases, the second of which is where things happen: what its pod is told, by the names of kwok-stages.ts. */
const at8 = (told: Partial<Record<keyof typeof POD_ANNOTATIONS, string>>): object => {
  const annotations = Object.fromEntries(Object.entries(told).map(([name, value]) => [POD_ANNOTATIONS[name as keyof typeof told], value]));
  const short = { 'spec/resolution': 8, 'spec/totalKimg': 1800, 'spec/schedule': { trainKimg: 600 } };
  return { ...short, 'spec/phases': [{ resolution: 8, template: { annotations } }] };
};

const TRAININGS_OF_THIS = [
  fleetTraining('evicted', 0.5, at8({ runsFor: 'ever' })),
  fleetTraining('suspended', 0.5, at8({ runsFor: 'ever', stopsAfter: '2s' })),
  fleetTraining('hung', 0.5, at8({ runsFor: 'ever', stopsAfter: 'ever' })),
  fleetTraining('invalid', 0.5, at8({ exitCode: '2' })),
  fleetTraining('crashing', 0.5, at8({ exitCode: '1' })),
  fleetTraining('storeless', 0.5, at8({ exitCode: '4' })),
];

test('ends of pods are counted, forgiven, retried or told by the real Job controller and the operator together', {
  concurrency: true,
}, async (t) => {
  const [cluster, kubectl] = [clusterBinaries(t), binary(t, 'kubectl')];
  if (!cluster || kubectl === undefined) return;
  const fleet = await startFleet({ binaries: { ...cluster, kubectl }, trainings: TRAININGS_OF_THIS, faults: NO_FAULTS });
  t.after(() => fleet.stop());
  await fleet.submit();
  await Promise.all([evicted(t, fleet), suspended(t, fleet), hung(t, fleet), invalid(t, fleet), crashing(t, fleet), storeless(t, fleet)]);
});

function evicted(t: TestContext, fleet: Fleet): Promise<void> {
  return t.test('a pod that is evicted saves and ends with 75: a disruption, no failure, and the same Job goes on', async () => {
    const pod = await running(fleet, 'evicted');
    const job = await jobOf(fleet, 'evicted');
    await fleet.kube.delete(PODS, { namespace: FLEET, name: nameOf(pod) });
    await finish(fleet, await running(fleet, 'evicted', nameOf(pod)));
    const { failures, disruptions, phases } = await succeeded(fleet, 'evicted');
    assert.deepEqual({ failures, disruptions, attempts: phases[1]?.attempts }, { failures: 0, disruptions: 1, attempts: 2 });
    assert.equal((await jobOf(fleet, 'evicted')).metadata?.uid, job.metadata?.uid);
  });
}

function suspended(t: TestContext, fleet: Fleet): Promise<void> {
  return t.test('a training that is suspended lets its pod save, keeps its Job and counts nothing', async () => {
    const pod = await running(fleet, 'suspended');
    const job = await jobOf(fleet, 'suspended');
    await edit(fleet, 'suspended', { suspend: true });
    await until(async () => (await podsOf(fleet, 'suspended')).every(({ status }) => status?.phase !== 'Running'));
    await until(async () => isTrue((await statusOf(fleet, 'suspended')).conditions, 'Suspended'));
    await edit(fleet, 'suspended', { suspend: false });
    await finish(fleet, await running(fleet, 'suspended', nameOf(pod)));
    const { failures, disruptions } = await succeeded(fleet, 'suspended');
    assert.deepEqual({ failures, disruptions }, { failures: 0, disruptions: 0 });
    assert.equal((await jobOf(fleet, 'suspended')).metadata?.uid, job.metadata?.uid);
  });
}

function hung(t: TestContext, fleet: Fleet): Promise<void> {
  return t.test('a pod that does not end within its grace is killed; its Job goes on', async () => {
    const pod = await running(fleet, 'hung');
    // Its own grace would take minutes.
    await fleet.plane.admin.send('DELETE', `/api/v1/namespaces/${FLEET}/pods/${nameOf(pod)}`, { gracePeriodSeconds: 1 });
    await finish(fleet, await running(fleet, 'hung', nameOf(pod)));
    const { failures, phases } = await succeeded(fleet, 'hung');
    assert.deepEqual({ failures, attempts: phases[1]?.attempts }, { failures: 1, attempts: 2 });
  });
}

function invalid(t: TestContext, fleet: Fleet): Promise<void> {
  return t.test('exit 2 fails the Job at once and waits for a person; an edit of the phase is the answer', async () => {
    const { reason } = await stalled(fleet, 'invalid');
    assert.equal(reason, 'Invalid');
    assert.equal((await jobOf(fleet, 'invalid')).status?.failed, 1);
    await edit(fleet, 'invalid', { phases: [{ resolution: 8 }] });
    assert.equal((await succeeded(fleet, 'invalid')).failures, 1);
  });
}

function crashing(t: TestContext, fleet: Fleet): Promise<void> {
  return t.test('three crashes in a row without a newer checkpoint wait for a person', async () => {
    const { reason } = await stalled(fleet, 'crashing');
    assert.equal(reason, 'NoProgress');
    await edit(fleet, 'crashing', { phases: [{ resolution: 8 }] });
    // The third has not been counted by its Job when that is deleted.
    assert.ok((await succeeded(fleet, 'crashing')).failures >= 2);
  });
}

function storeless(t: TestContext, fleet: Fleet): Promise<void> {
  return t.test('exit 4 counts no failure, and another Job tries again after half a minute', async () => {
    const first = await jobOf(fleet, 'storeless');
    await until(async () => reasonOf(await statusOf(fleet, 'storeless')) === 'StoreUnavailable');
    // Pods of Jobs that are there keep what they were told: only the next one finds its store.
    await edit(fleet, 'storeless', { phases: [{ resolution: 8 }] });
    assert.equal((await succeeded(fleet, 'storeless')).failures, 0);
    assert.notEqual((await jobOf(fleet, 'storeless')).metadata?.uid, first.metadata?.uid);
  });
}

const nameOf = ({ metadata }: Pod): string => metadata?.name ?? '';

/** The pod of the second phase that runs, another one than `before`. */
async function running(fleet: Fleet, name: string, before?: string): Promise<Pod> {
  let found: Pod | undefined;
  await until(async () => {
    found = (await podsOf(fleet, name)).find((pod) => pod.status?.phase === 'Running' && nameOf(pod) !== before);
    return found !== undefined && found.metadata?.deletionTimestamp === undefined;
  });
  return found ?? assert.fail();
}

async function podsOf({ kube }: Fleet, name: string): Promise<readonly Pod[]> {
  return (await kube.list(PODS, { namespace: FLEET, labelSelector: `pggan.dev/training=${name},pggan.dev/resolution=8` })).items;
}

/** Lets a pod come to its end that would have run for ever. */
async function finish({ kube }: Fleet, pod: Pod): Promise<void> {
  const annotations = { [POD_ANNOTATIONS.runsFor]: '0s' };
  await kube.patch(PODS, { namespace: FLEET, name: nameOf(pod) }, { merge: { metadata: { annotations } } });
}

/** Once it is there. */
async function jobOf({ kube }: Fleet, name: string): Promise<Job> {
  let found: Job | undefined;
  await until(async () => {
    found = await kube.get(JOBS, { namespace: FLEET, name: `${name}-8` }).catch(() => undefined);
    return found !== undefined;
  });
  return found ?? assert.fail();
}

async function edit({ kube }: Fleet, name: string, spec: object): Promise<void> {
  await kube.patch(TRAININGS, { namespace: FLEET, name }, { merge: { spec } });
}

async function statusOf({ kube }: Fleet, name: string): Promise<Partial<StoredStatus>> {
  const { status = {} }: StoredTraining = await kube.get(TRAININGS, { namespace: FLEET, name });
  return status;
}

const reasonOf = ({ conditions }: Partial<StoredStatus>): string | undefined =>
  conditions?.find(({ type }) => type === 'Progressing')?.reason;

async function stalled(fleet: Fleet, name: string) {
  let found: NonNullable<StoredStatus['conditions']>[number] | undefined;
  await until(async () => {
    found = (await statusOf(fleet, name)).conditions?.find(({ type }) => type === 'Stalled');
    return found !== undefined;
  });
  return found ?? assert.fail();
}

async function succeeded(fleet: Fleet, name: string): Promise<StoredStatus> {
  await until(async () => isTrue((await statusOf(fleet, name)).conditions, 'Succeeded'));
  return (await statusOf(fleet, name)) as StoredStatus;
}
