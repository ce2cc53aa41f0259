/** The rights that are shipped, held against what the API server wrote down: none is missing, none is for nothing, and no Secret is among them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { isTrue } from '../operator/kube/conditions.ts';
import { isKubeError } from '../operator/kube/errors.ts';
import { type Job, JOBS, PODS, type Pod } from '../operator/kube/resource.ts';
import { type StoredSynthesis, SYNTHESIS_JOBS } from '../operator/synthesis/stored.ts';
import { type StoredTraining, TRAININGS } from '../operator/training/stored.ts';
import { type AuditEvent, askedBy, deniedTo } from './harness/audit.ts';
import { playJobs } from './harness/job-controller.ts';
import { scene, type Scene, until } from './harness/kube.ts';
import { kubectl } from './harness/kubectl.ts';
import { SPEC } from './harness/operator-here.ts';
import { INSTALLED, OPERATOR, startOperator } from './harness/operator-process.ts';
import { install } from './harness/operator-stage.ts';

test('two operators with the shipped role do all that they ever do: nothing is denied to them, nothing in the role is unused', async (t) => {
  const given = await scene(t);
  const run = given && kubectl(t, given.plane);
  if (!given || !run) return;
  const { plane, kube, namespace } = given;
  await install({ run });
  playJobs(t, given);
  // In the way are a pod of each kind that no list of the operator's shows, and a Job of a name of its own.
  await kube.create(PODS, podOfOthers(namespace, 'pggan.dev/training', 'blocked'));
  await kube.create(PODS, podOfOthers(namespace, 'pggan.dev/synthesis', 'blocked'));
  await kube.create(JOBS, jobOfOthers(namespace, 'taken-preflight'));
  for (const name of ['blocked', 'taken', 'tiny'])
    await kube.create(TRAININGS, { metadata: { namespace, name }, spec: SPEC as unknown as StoredTraining['spec'] });
  const drawn = { checkpoint: { uri: 'pvc://data/runs/x' }, count: 4, output: { uri: 'pvc://data/drawn' } };
  await kube.create(SYNTHESIS_JOBS, { metadata: { namespace, name: 'blocked' }, spec: drawn as unknown as StoredSynthesis['spec'] });
  for (const _ of ['leads', 'stands by']) startOperator(t, plane, namespace);

  await until(async () => (await reasonOf(given, 'taken')) === 'NameConflict');
  await until(async () => (await reasonOf(given, 'tiny')) === 'Scheduling');
  // The same is told twice.
  for (const suspend of [true, false, true]) {
    await kube.patch(TRAININGS, { namespace, name: 'tiny' }, { merge: { spec: { suspend } } });
    await until(async () => isTrue((await kube.get(TRAININGS, { namespace, name: 'tiny' })).status?.conditions, 'Suspended') === suspend);
  }
  await kube.delete(TRAININGS, { namespace, name: 'tiny' });
  // No kubelet is there to confirm the end of its pods.
  const pods = `/api/v1/namespaces/${namespace}/pods?labelSelector=pggan.dev/training=tiny`;
  await until(async () => {
    await plane.admin.send('DELETE', pods, { gracePeriodSeconds: 0 });
    return gone(given, 'tiny');
  });
  const mine = async () => new Set((await askedBy(plane, OPERATOR.user)).map(rightOf));
  // Looks at an object that was blocked come after some seconds, as do those at the lease.
  for (const last of ['get pggantrainings', 'get synthesisjobs', 'get leases', 'patch leases', 'patch events'])
    await until(async () => (await mine()).has(last));

  assert.deepEqual(await deniedTo(plane, OPERATOR.user), []);
  const used = await mine();
  assert.deepEqual(
    rightsGiven().filter((right) => !used.has(right)),
    [],
  );
});

const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

test('no Secret can be read or written by the operator, whatever their namespace, and none was asked for', async (t) => {
  const given = await scene(t);
  const run = given && kubectl(t, given.plane);
  if (!given || !run) return;
  const { plane, namespace } = given;
  await install({ run });
  for (const where of [namespace, 'pggan-system', ''])
    for (const verb of VERBS) {
      const resourceAttributes = { verb, resource: 'secrets', ...(where !== '' && { namespace: where }) };
      const review = { apiVersion: REVIEWS, kind: 'SubjectAccessReview', spec: { ...OPERATOR, resourceAttributes } };
      const { body } = await plane.admin.send('POST', `/apis/${REVIEWS}/subjectaccessreviews`, review);
      const { status } = body as { readonly status: { readonly allowed: boolean } };
      assert.equal(status.allowed, false, `${verb} secrets in "${where}"`);
    }
  const resources = new Set((await askedBy(plane, OPERATOR.user)).map(({ objectRef }) => objectRef?.resource));
  assert.ok(!resources.has('secrets'));
});

const REVIEWS = 'authorization.k8s.io/v1';

function podOfOthers(namespace: string, label: string, name: string): Pod {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  return {
    metadata: { namespace, generateName: 'earlier-', labels: { [label]: name } },
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ name: 'c', image: 'i', securityContext }],
    },
  };
}

/** Suspended, so that nobody makes pods for it. */
function jobOfOthers(namespace: string, name: string): Job {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  return { metadata: { namespace, name }, spec: { suspend: true, template } };
}

/** Why a training is where it is, by its Ready condition. */
async function reasonOf({ kube, namespace }: Scene, name: string): Promise<string | undefined> {
  const { status } = await kube.get(TRAININGS, { namespace, name });
  return status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
}

async function gone({ kube, namespace }: Scene, name: string): Promise<boolean> {
  try {
    await kube.get(TRAININGS, { namespace, name });
    return false;
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return true;
    throw error;
  }
}

function rightOf({ verb, objectRef }: AuditEvent): string {
  const { resource, subresource } = objectRef ?? { resource: '' };
  return `${verb} ${subresource === undefined ? resource : `${resource}/${subresource}`}`;
}

/** Those of the roles that are bound to it, but finalizers: an admission plugin that is off by default asks for them. */
function rightsGiven(): readonly string[] {
  const objects = parseAllDocuments(INSTALLED).map((document) => document.toJS() as Role);
  const bound = objects.flatMap(({ roleRef }) => (roleRef ? [`${roleRef.kind} ${roleRef.name}`] : []));
  const rules = objects.flatMap(({ kind, metadata, rules = [] }) => (bound.includes(`${kind} ${metadata.name}`) ? rules : []));
  assert.ok(rules.length > 0);
  const rights = rules.flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)));
  return rights.filter((right) => !right.endsWith('/finalizers'));
}

type Role = {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
};
