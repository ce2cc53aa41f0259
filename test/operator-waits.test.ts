/** What the operator does where the cluster will not have its Jobs, or not yet: no process is needed to see it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isTrue } from '../operator/kube/conditions.ts';
import { isKubeError } from '../operator/kube/errors.ts';
import { EVENTS, type Job, JOBS, type KubeObject, PODS, type Pod, type Resource } from '../operator/kube/resource.ts';
import { type StoredSynthesis, SYNTHESIS_JOBS } from '../operator/synthesis/stored.ts';
import { type StoredTraining, TRAININGS } from '../operator/training/stored.ts';
import { auditEvents } from './harness/audit.ts';
import { scene, type Scene, until } from './harness/kube.ts';
import { runOperator, SPEC } from './harness/operator-here.ts';

/** The operator in this process, for one namespace, until the test ends. */
async function stage(t: TestContext): Promise<(Scene & { podLists(): number; dryRuns(): number }) | undefined> {
  const given = await scene(t);
  if (!given) return undefined;
  const asked: string[] = [];
  await runOperator(t, given, { onRequest: ({ verb, plural }) => void asked.push(`${verb} ${plural}`) });
  const count = (request: string) => (): number => asked.filter((one) => one === request).length;
  return { ...given, podLists: count('list pods'), dryRuns: count('create jobs') };
}

const create = ({ kube, namespace }: Scene, name: string): Promise<StoredTraining> =>
  kube.create(TRAININGS, { metadata: { namespace, name }, spec: SPEC as unknown as StoredTraining['spec'] });

/** Why a training is where it is, by its Ready condition. */
async function reasonOf({ kube, namespace }: Scene, name: string): Promise<string | undefined> {
  const { status } = await kube.get(TRAININGS, { namespace, name });
  return status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
}

async function find({ kube, namespace }: Scene, name: string): Promise<Job | undefined> {
  try {
    return await kube.get(JOBS, { namespace, name });
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** No Job may be made in the namespace until the quota is lifted. */
async function forbidJobs({ plane, namespace }: Scene): Promise<() => Promise<unknown>> {
  const quotas = `/api/v1/namespaces/${namespace}/resourcequotas`;
  const hard = { 'count/jobs.batch': '0' };
  const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'none' }, spec: { hard } };
  await plane.admin.send('POST', quotas, quota);
  // No controller is there to take it up.
  await plane.admin.send('PATCH', `${quotas}/none/status`, { status: { hard, used: hard } }, 'application/merge-patch+json');
  return () => plane.admin.send('DELETE', `${quotas}/none`);
}

/** Makes the operator look again, as it would after a minute, until the Job is there: a quota is gone some moments after it was deleted. */
async function madeAfterAll(at: Scene, resource: Resource<KubeObject>, name: string, job: string): Promise<void> {
  const { kube, namespace } = at;
  let round = 0;
  await until(async () => {
    round += 1;
    await kube.patch(resource, { namespace, name }, { merge: { metadata: { annotations: { round: String(round) } } } });
    return (await find(at, job)) !== undefined;
  });
}

test('a quota that refuses its Jobs is said at its acceptance, and nothing is made until it is gone', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { kube, namespace } = at;
  const lift = await forbidJobs(at);
  await create(at, 'x');
  await until(async () => (await reasonOf(at, 'x')) === 'JobRefused');
  const { status } = await kube.get(TRAININGS, { namespace, name: 'x' });
  assert.ok(isTrue(status?.conditions, 'Stalled'));
  assert.match(
    status?.conditions?.find(({ type }) => type === 'Stalled')?.message ?? '',
    /x-preflight would be refused:.*exceeded quota: none/,
  );
  assert.equal(await find(at, 'x-preflight'), undefined);

  await lift();
  await madeAfterAll(at, TRAININGS, 'x', 'x-preflight');
});

test('a webhook that the API server cannot reach is said, in its words, and no Job is made until it can', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { plane, kube, namespace } = at;
  const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const hook = {
    name: 'vjob.queue.test',
    clientConfig: { url: 'https://127.0.0.1:9/jobs' },
    rules: [{ apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['jobs'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    failurePolicy: 'Fail',
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  const kind = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' };
  await plane.admin.send('POST', hooks, { ...kind, metadata: { name: namespace }, webhooks: [hook] });
  const lift = () => plane.admin.send('DELETE', `${hooks}/${namespace}`);
  try {
    await until(async () => {
      // A server takes a configuration up some moments after it was stored.
      const job = {
        metadata: { namespace, name: 'probe' },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      };
      const error: unknown = await kube.create(JOBS, job, { dryRun: true }).catch((thrown: unknown) => thrown);
      return isKubeError(error, 'WebhookAway');
    });
    await create(at, 'x');
    await until(async () => (await reasonOf(at, 'x')) === 'JobRefused');
    const { status } = await kube.get(TRAININGS, { namespace, name: 'x' });
    const { message = '' } = status?.conditions?.find(({ type }) => type === 'Stalled') ?? {};
    assert.match(message, /x-preflight would be refused: .*failed calling webhook "vjob.queue.test"/);
    assert.equal(await find(at, 'x-preflight'), undefined);
  } finally {
    await lift();
  }
  await madeAfterAll(at, TRAININGS, 'x', 'x-preflight');
});

/** The run folder that a Job starts from, as its run document names it. */
const startsFrom = (job: Job | undefined): string | undefined =>
  /[^"\\]*\/source(?=\\*")/.exec(JSON.stringify(job?.spec?.template?.spec))?.[0];

test('a run that has begun from another one goes on, whatever becomes of that one', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { kube, namespace } = at;
  const spec = SPEC as unknown as StoredTraining['spec'];
  // Left alone by this operator, so that the test can say when it has succeeded.
  const source = { metadata: { namespace, name: 'source' }, spec: { ...spec, managedBy: 'kueue.x-k8s.io/multikueue' } };
  await kube.create(TRAININGS, source);
  await kube.create(TRAININGS, { metadata: { namespace, name: 'fork' }, spec: { ...spec, initFrom: { trainingRef: { name: 'source' } } } });
  await until(async () => (await reasonOf(at, 'fork')) === 'WaitingForSource');
  const condition = { type: 'Succeeded', status: 'True', reason: 'Complete', message: 'm', lastTransitionTime: '2030-01-01T00:00:00Z' };
  await kube.patch(TRAININGS, { namespace, name: 'source' }, { merge: { status: { conditions: [condition] } } }, { subresource: 'status' });
  await until(async () => (await find(at, 'fork-preflight')) !== undefined);
  const before = await find(at, 'fork-preflight');
  assert.ok(startsFrom(before));

  await kube.delete(TRAININGS, { namespace, name: 'source' });
  await kube.delete(JOBS, { namespace, name: 'fork-preflight' }, { propagation: 'Background' });
  await until(async () => {
    const made = await find(at, 'fork-preflight');
    return made !== undefined && made.metadata?.uid !== before?.metadata?.uid;
  });
  assert.equal(startsFrom(await find(at, 'fork-preflight')), startsFrom(before));
});

test('a SynthesisJob whose Job is refused says so, once, and stays so until it is not', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { kube, namespace } = at;
  const lift = await forbidJobs(at);
  const spec = { checkpoint: { uri: 'pvc://data/runs/x' }, count: 4, output: { uri: 'pvc://data/drawn' } };
  await kube.create(SYNTHESIS_JOBS, { metadata: { namespace, name: 's' }, spec: spec as unknown as StoredSynthesis['spec'] });
  const now = () => kube.get(SYNTHESIS_JOBS, { namespace, name: 's' });
  await until(async () => isTrue((await now()).status?.conditions, 'Stalled'));
  const stalled = (await now()).status?.conditions;
  const { reason, message = '' } = stalled?.find(({ type }) => type === 'Stalled') ?? {};
  assert.equal(reason, 'JobRefused');
  assert.match(message, /s-synthesis would be refused:.*exceeded quota: none/);
  // A look at nothing new changes nothing.
  const rounds = at.dryRuns();
  await kube.patch(SYNTHESIS_JOBS, { namespace, name: 's' }, { merge: { metadata: { annotations: { look: 'again' } } } });
  await until(() => at.dryRuns() > rounds);
  assert.deepEqual((await now()).status?.conditions, stalled);

  await lift();
  await madeAfterAll(at, SYNTHESIS_JOBS, 's', 's-synthesis');
  await until(async () => {
    const { items } = await kube.list(EVENTS, { namespace });
    const told = items.map((event) => event.reason ?? '').sort();
    assert.ok(told.length <= 2, told.join());
    return told.join() === 'Recovered,Stalled';
  });
});

test('a Job of its name that belongs to somebody else is left alone and named', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { kube, namespace } = at;
  const container = { name: 'c', image: 'i' };
  const foreign: Job = {
    metadata: { namespace, name: 'y-preflight' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  };
  const { metadata } = await kube.create(JOBS, foreign);
  await create(at, 'y');
  await until(async () => (await reasonOf(at, 'y')) === 'NameConflict');
  assert.equal((await find(at, 'y-preflight'))?.metadata?.uid, metadata?.uid);
});

test('what another controller manages is left alone, and what names this one is not', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { plane, kube, namespace } = at;
  const spec = SPEC as unknown as StoredTraining['spec'];
  const drawn = { trainingRef: { name: 'theirs' }, count: 4, output: { uri: 'pvc://data/drawn' } } as unknown as StoredSynthesis['spec'];
  const managedBy = 'kueue.x-k8s.io/multikueue';
  await kube.create(TRAININGS, { metadata: { namespace, name: 'theirs' }, spec: { ...spec, managedBy } });
  await kube.create(SYNTHESIS_JOBS, { metadata: { namespace, name: 'theirs' }, spec: { ...drawn, managedBy } });
  await kube.create(TRAININGS, { metadata: { namespace, name: 'ours' }, spec: { ...spec, managedBy: 'pggan.dev/operator' } });
  await until(async () => (await find(at, 'ours-preflight')) !== undefined);
  const written: string[] = [];
  for await (const { verb, requestURI } of auditEvents(plane))
    if (!['get', 'list', 'watch'].includes(verb) && requestURI.includes(`/namespaces/${namespace}/`)) written.push(`${verb} ${requestURI}`);
  assert.ok(written.some((request) => request.includes('/pggantrainings/ours/status')));
  assert.deepEqual(
    written.filter((request) => request.includes('theirs')),
    [],
  );
  assert.equal(await find(at, 'theirs-preflight'), undefined);
});

test('no Job is made while a pod of its name has not ended, whoever made it', async (t) => {
  const at = await stage(t);
  if (!at) return;
  const { plane, kube, namespace } = at;
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const pod: Pod = {
    metadata: { namespace, name: 'earlier', labels: { 'pggan.dev/training': 'z' } },
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ name: 'c', image: 'i', securityContext }],
    },
  };
  // Without the label by which the operator lists pods: only its last look at the server itself can find this one.
  await kube.create(PODS, pod);
  await create(at, 'z');
  // The first list is the reflector's own; each of the others is a look before a Job.
  await until(() => at.podLists() >= 3);
  assert.equal(await find(at, 'z-preflight'), undefined);
  await plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}/pods/earlier`, { gracePeriodSeconds: 0 });
  await until(async () => (await find(at, 'z-preflight')) !== undefined);
});
