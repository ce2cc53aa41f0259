/** The Helm chart on an API server: releases that come and go, policies that hold, and an operator that has the rights of some namespaces. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { JOBS } from '../operator/kube/resource.ts';
import { type StoredTraining, TRAININGS } from '../operator/training/stored.ts';
import { askedBy, deniedTo } from './harness/audit.ts';
import { binary } from './harness/binaries.ts';
import { commandOf, done } from './harness/command.ts';
import { startControlPlane } from './harness/control-plane.ts';
import { CHART, helm, objectsIn, template } from './harness/helm.ts';
import { scene, until } from './harness/kube.ts';
import { kubectl } from './harness/kubectl.ts';
import { SPEC } from './harness/operator-here.ts';
import { OPERATOR, startOperator } from './harness/operator-process.ts';
import { freshNamespace } from './harness/shared-control-plane.ts';

const ROOT = join(import.meta.dirname, '..');
const MANIFESTS = join(ROOT, 'manifests');

const image = (name: string) => ({ template: { image: name, serviceAccountName: 'trainer' } });

test('with allowed images and accounts the API server refuses others by name, and lets the operator take its finalizer off what is there', async (t) => {
  const at = await scene(t);
  const [run, render] = [at && kubectl(t, at.plane), helm(t)];
  if (!at || !run || !render) return;
  const { namespace } = at;
  const given = {
    kind: 'PGGANTraining',
    apiVersion: 'pggan.dev/v1alpha1',
    metadata: { name: 'a', namespace, finalizers: ['pggan.dev/x'] },
  };
  const sample = parse(readFileSync(join(MANIFESTS, 'samples/quickstart.yaml'), 'utf8')) as { readonly spec: object };
  const training = (spec: object, of: object = given): string => JSON.stringify({ ...of, spec: { ...sample.spec, ...spec } });
  const before = training(image('elsewhere.example/trainer:1'));
  await done(run, ['apply', '-f', '-'], before);

  const allowed = { imagePrefixes: ['registry.example/pggan/'], serviceAccounts: ['trainer'] };
  const objects = objectsIn(await template(render, { watchNamespaces: [namespace], allowed }));
  const policies = objects.filter(({ kind }) => kind.startsWith('ValidatingAdmissionPolicy'));
  assert.equal(policies.length, 4);
  await done(run, ['apply', '-f', '-'], policies.map((policy) => JSON.stringify(policy)).join('\n---\n'));
  const other = { ...given, metadata: { name: 'b', namespace } };
  const tried = (spec: object) => run(['apply', '--dry-run=server', '-f', '-'], training(spec, other));
  const bad = { template: { image: 'elsewhere.example/trainer:1' } };
  // A policy is heard of a moment after it is there.
  await until(async () => (await tried(bad)).code !== 0);

  const refused: readonly (readonly [object, RegExp])[] = [
    [bad, /spec\.template\.image must be one that this cluster allows: registry\.example\/pggan\//],
    [{ template: { image: 'registry.example/pggan-evil/trainer:1' } }, /spec\.template\.image must be/],
    [{ phases: [{ resolution: 8, template: { image: 'x:1' } }] }, /spec\.phases\[\]\.template\.image must be/],
    [{ template: { serviceAccountName: 'admin' } }, /spec\.template\.serviceAccountName must be one .*: trainer/],
  ];
  for (const [spec, message] of refused) assert.match((await tried(spec)).stderr, message);
  const phases = [{ resolution: 8, template: { image: 'registry.example/pggan/trainer@sha256:0' } }];
  for (const spec of [{}, image('registry.example/pggan/trainer:1'), { phases }]) assert.equal((await tried(spec)).code, 0);

  await done(run, ['patch', 'pgt', 'a', '-n', namespace, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  const edited = await run(['patch', 'pgt', 'a', '-n', namespace, '--type=merge', '-p', '{"spec":{"totalKimg":100}}']);
  assert.match(edited.stderr, /this cluster allows/);
});

test('a release is installed, changed and removed; its kinds stay, with every object', async (t) => {
  const [etcd, apiServer] = [binary(t, 'etcd'), binary(t, 'kube-apiserver')];
  if (etcd === undefined || apiServer === undefined) return;
  // One of its own: the shared one has the kinds already, from nobody's release.
  const plane = await startControlPlane({ etcd, apiServer });
  t.after(() => plane.stop());
  const [run, release] = [kubectl(t, plane), helm(t, plane.kubeconfig)];
  if (!run || !release) return;
  const system = ['--namespace', 'pggan-system'];

  const notes = await done(release, ['install', 'pggan-operator', CHART, ...system, '--create-namespace']);
  const [, next = ''] = /^ {2}kubectl (.*rollout status .*)$/m.exec(notes) ?? [];
  assert.equal(next, '-n pggan-system rollout status deployment/pggan-operator');
  assert.equal(await done(run, ['get', 'deployment/pggan-operator', ...system, '-o', 'jsonpath={.spec.replicas}']), '2');
  await done(run, ['wait', '--for=condition=Established', '--timeout=60s', 'crd/pggantrainings.pggan.dev']);
  const [, apply = '', file = ''] = /^ {2}kubectl (apply -f) (manifests\/samples\/\S+)$/m.exec(notes) ?? [];
  await until(async () => (await run([...apply.split(' '), join(ROOT, file)])).code === 0);
  assert.match(notes, /^ {2}kubectl get pggan -n default$/m);
  assert.match(await done(run, ['get', 'pggan', '-n', 'default']), /^pggantraining\.pggan\.dev\/quickstart /m);
  const sample = readFileSync(join(MANIFESTS, 'samples/quickstart.yaml'), 'utf8').replace(/namespace: .*/, 'namespace: pggan-system');
  await until(async () => (await run(['apply', '-f', '-'], sample)).code === 0);

  await done(release, ['upgrade', 'pggan-operator', CHART, ...system, '--set', 'replicas=3']);
  assert.equal(await done(run, ['get', 'deployment/pggan-operator', ...system, '-o', 'jsonpath={.spec.replicas}']), '3');

  await done(release, ['uninstall', 'pggan-operator', ...system]);
  const left = await done(run, ['get', 'deployments,serviceaccounts,roles,rolebindings,pdb,svc,netpol', ...system, '-o', 'name']);
  assert.equal(left, '');
  assert.equal(await done(run, ['get', 'pgt', ...system, '-o', 'name']), 'pggantraining.pggan.dev/quickstart\n');
  // The kinds are still known as this release's, so that it can be installed again.
  await done(release, ['install', 'pggan-operator', CHART, ...system]);
});

test('a release that looks after some namespaces names the first of them where it says how to go on', async (t) => {
  const release = helm(t);
  if (!release) return;
  const set = 'watchNamespaces={research,radiology}';
  const notes = await done(release, ['install', 'pggan-operator', CHART, '--dry-run=client', '--set', set]);
  const [, edit = '', script = '', file = ''] = /^ {2}(sed) '(.*)' (\S+) \| kubectl apply -f -$/m.exec(notes) ?? [];
  const edited = parse(await done(commandOf(edit), [script, join(ROOT, file)])) as { readonly metadata: object };
  assert.deepEqual(edited.metadata, { name: 'quickstart', namespace: 'research' });
  assert.match(notes, /^ {2}kubectl get pggan -n research$/m);
});

test('with the rights of two namespaces the operator looks after these, and asks of no other', async (t) => {
  const at = await scene(t);
  const [run, release] = [at && kubectl(t, at.plane), at && helm(t, at.plane.kubeconfig)];
  if (!at || !run || !release) return;
  const { plane, kube, namespace: first } = at;
  const [second, other] = [await freshNamespace(plane.admin), await freshNamespace(plane.admin)];
  const set = `watchNamespaces={${first},${second}},crds.install=false`;
  await done(release, ['install', 'pggan-operator', CHART, '--namespace', 'pggan-system', '--create-namespace', '--set', set]);
  for (const namespace of [first, second, other])
    await kube.create(TRAININGS, { metadata: { namespace, name: 'x' }, spec: SPEC as unknown as StoredTraining['spec'] });
  const operator = startOperator(t, plane, first, second);
  const madeIn = async (namespace: string): Promise<readonly string[]> =>
    (await kube.list(JOBS, { namespace })).items.map(({ metadata }) => metadata?.name ?? '');
  for (const namespace of [first, second]) await until(async () => (await madeIn(namespace)).join() === 'x-preflight');
  const port = operator.lastSaid(/"telemetryPort":(\d+)/);
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200);

  assert.deepEqual(await madeIn(other), []);
  const mayListIn = async (namespace: string): Promise<string> =>
    (await run(['auth', 'can-i', 'list', 'pggantrainings', '-n', namespace, `--as=${OPERATOR.user}`])).stdout.trim();
  assert.deepEqual(await Promise.all([first, second, other].map(mayListIn)), ['yes', 'yes', 'no']);
  const asked = await askedBy(plane, OPERATOR.user);
  assert.deepEqual(await deniedTo(plane, OPERATOR.user), []);
  const namespaces = new Set(asked.flatMap(({ objectRef }) => (objectRef ? [objectRef.namespace ?? 'the cluster'] : [])));
  assert.deepEqual([...namespaces].sort(), [first, second, 'pggan-system'].sort());

  // A namespace whose Role is gone keeps the operator from being ready when it starts, and the other from nothing.
  await done(run, ['delete', 'role', 'pggan-operator', '-n', second]);
  await operator.kill();
  operator.restart();
  const create = { metadata: { namespace: first, name: 'y' }, spec: SPEC as unknown as StoredTraining['spec'] };
  await kube.create(TRAININGS, create);
  await until(async () => (await madeIn(first)).includes('y-preflight'));
  const again = operator.lastSaid(/"telemetryPort":(\d+)/);
  assert.equal((await fetch(`http://127.0.0.1:${again}/readyz`)).status, 503);
});
