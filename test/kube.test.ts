/** The operator's runtime (operator/kube) against a real API server: what it relies on is what the server does. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { applyStatus, type StatusObject } from '../operator/kube/apply.ts';
import type { Kube } from '../operator/kube/client.ts';
import { systemClock } from '../operator/kube/clock.ts';
import { tokenFile } from '../operator/kube/connection.ts';
import { type KubeError, type KubeErrorCode, isKubeError } from '../operator/kube/errors.ts';
import { createRecorder, type Recorder } from '../operator/kube/events.ts';
import { withFinalizer } from '../operator/kube/finalizer.ts';
import { createElection } from '../operator/kube/lease.ts';
import { CONFIG_MAPS, type ConfigMap, JOBS, LEASES, type Resource } from '../operator/kube/resource.ts';
import type { RequestReport } from '../operator/kube/transport.ts';
import { startCutter } from './harness/cutter.ts';
import { follow, openKube, sameAsListed, scene, until } from './harness/kube.ts';
import { kubectl } from './harness/kubectl.ts';

const TRAININGS: Resource<StatusObject> = { apiVersion: 'pggan.dev/v1alpha1', kind: 'PGGANTraining', plural: 'pggantrainings' };

const configMap = (namespace: string, name: string, value = '', labels = {}): ConfigMap => ({
  metadata: { namespace, name, labels },
  data: { value },
});
const refused = async (call: Promise<unknown>, code: KubeErrorCode): Promise<KubeError> => {
  const error = await call.then(
    () => assert.fail(`${code} was expected`),
    (thrown: unknown) => thrown,
  );
  assert.ok(isKubeError(error, code), String(error));
  return error;
};

test('each refusal of the server has its code', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace, plane } = given;
  const ref = { namespace, name: 'a' };
  await refused(kube.get(CONFIG_MAPS, ref), 'NotFound');
  const created = await kube.create(CONFIG_MAPS, configMap(namespace, 'a'));
  await refused(kube.create(CONFIG_MAPS, configMap(namespace, 'a')), 'AlreadyExists');
  await kube.patch(CONFIG_MAPS, ref, {
    merge: { metadata: { resourceVersion: created.metadata?.resourceVersion }, data: { value: 'new' } },
  });
  await refused(
    kube.patch(CONFIG_MAPS, ref, { merge: { metadata: { resourceVersion: created.metadata?.resourceVersion }, data: { value: 'old' } } }),
    'Conflict',
  );
  await refused(kube.create(CONFIG_MAPS, configMap(namespace, 'Not A Name')), 'Invalid');
  await refused(kube.patch(CONFIG_MAPS, ref, { json: [{ op: 'test', path: '/data/value', value: 'other' }] }), 'Invalid');
  await refused(kube.delete(CONFIG_MAPS, ref, { uid: 'another' }), 'Conflict');
  const strangers = await openKube(t, plane, { kubeconfig: plane.kubeconfigOf({ user: 'nobody', groups: [] }) });
  await refused(strangers.get(CONFIG_MAPS, ref), 'Forbidden');
  await kube.delete(CONFIG_MAPS, ref, { uid: created.metadata?.uid ?? '' });
  await refused(kube.get(CONFIG_MAPS, ref), 'NotFound');
});

test('a dry run stores nothing, and says what the server warns of', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace } = given;
  const warnings: string[] = [];
  const job = {
    metadata: { namespace, name: 'a' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } } },
  };
  await kube.create(JOBS, job, { dryRun: true, onWarning: (text) => void warnings.push(text) });
  assert.match(warnings.join(), /would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/);
  await refused(kube.get(JOBS, { namespace, name: 'a' }), 'NotFound');
});

test('server-side apply says which field belongs to whom, and takes it only by force', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace } = given;
  const ref = { namespace, name: 'a' };
  await kube.apply(CONFIG_MAPS, ref, { data: { mine: '1', shared: '1' } }, { fieldManager: 'one', force: false });
  await kube.apply(CONFIG_MAPS, ref, { data: { yours: '2' } }, { fieldManager: 'two', force: false });
  const error = await refused(
    kube.apply(CONFIG_MAPS, ref, { data: { yours: '2', shared: '2' } }, { fieldManager: 'two', force: false }),
    'Conflict',
  );
  assert.deepEqual(error.conflicts, ['.data.shared']);
  await kube.apply(CONFIG_MAPS, ref, { data: { yours: '2', shared: '2' } }, { fieldManager: 'two', force: true });
  const left = await kube.apply(CONFIG_MAPS, ref, { data: {} }, { fieldManager: 'one', force: false });
  assert.deepEqual(left.data, { yours: '2', shared: '2' });
});

const OWN = (field: string): boolean => field !== 'progress';
const training = (namespace: string): StatusObject & { readonly spec: object } => ({
  metadata: { namespace, name: 'a' },
  spec: {
    dataset: { uri: 's3://data/set' },
    output: { uri: 's3://data/runs' },
    store: { endpoint: 'http://minio:9000', credentialsSecretRef: { name: 'store' } },
    resolution: 8,
    totalKimg: 2000,
    template: { resources: { limits: { memory: '2Gi' } } },
  },
});
const condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Valid',
  message: '',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  observedGeneration: 1,
};

test('two writers of a status keep out of each other, write only what has changed, and never what was decided about the past', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace } = given;
  const ref = { namespace, name: 'a' };
  const main = { kube, resource: TRAININGS, fieldManager: 'pggan-operator', owns: OWN };
  const progress = { ...main, fieldManager: 'pggan-operator-progress', owns: (field: string) => !OWN(field) };
  const time = '2026-01-01T00:00:00Z';
  const first = await kube.create(TRAININGS, training(namespace));
  const status = { observedGeneration: 1, conditions: [condition], failures: 1 };

  assert.equal(await applyStatus(main, first, status), 'written');
  assert.equal(
    await applyStatus(progress, first, { progress: { resolution: 8, images: 1, kimg: 0.001, lod: 0, time } }),
    'outdated',
    'it was looked at before the other write',
  );
  let now = await kube.get(TRAININGS, ref);
  assert.equal(await applyStatus(progress, now, { progress: { resolution: 8, images: 1, kimg: 0.001, lod: 0, time } }), 'written');
  now = await kube.get(TRAININGS, ref);
  assert.equal(await applyStatus(main, now, status), 'unchanged');
  assert.equal(await applyStatus(main, now, { observedGeneration: 1, conditions: [condition] }), 'written');
  now = await kube.get(TRAININGS, ref);
  assert.deepEqual(
    Object.keys(now.status ?? {}).sort(),
    ['conditions', 'observedGeneration', 'progress'],
    'failures went with its owner, progress stayed',
  );

  await kube.delete(TRAININGS, ref);
  await kube.create(TRAININGS, training(namespace));
  assert.equal(await applyStatus(main, now, { ...status, failures: 7 }), 'outdated', 'a successor of the same name inherits nothing');
  assert.equal((await kube.get(TRAININGS, ref)).status && 'failures' in ((await kube.get(TRAININGS, ref)).status ?? {}), false);
  await kube.delete(TRAININGS, ref);
  assert.equal(await applyStatus(main, now, { ...status, failures: 8 }), 'outdated');
  await assert.rejects(applyStatus(main, now, { progress: {} }), /does not own status.progress/);
});

test('1,200 objects come in pages and are followed', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { plane, namespace } = given;
  const requests: RequestReport[] = [];
  const kube = await openKube(t, plane, { onRequest: (report) => void requests.push(report) });
  await Promise.all(Array.from({ length: 1200 }, (_, at) => kube.create(CONFIG_MAPS, configMap(namespace, `object-${at}`))));
  const { reflector } = await follow(t, kube, namespace);
  assert.equal(reflector.store.size, 1200);
  assert.deepEqual(
    requests.filter(({ verb }) => verb === 'list').map(({ code }) => code),
    ['200', '200', '200'],
  );
  await Promise.all([
    kube.delete(CONFIG_MAPS, { namespace, name: 'object-7' }),
    kube.patch(CONFIG_MAPS, { namespace, name: 'object-8' }, { merge: { data: { value: 'new' } } }),
    kube.create(CONFIG_MAPS, configMap(namespace, 'late')),
  ]);
  await until(() => sameAsListed(reflector, kube, namespace));
  assert.equal(reflector.store.get(`${namespace}/object-8`)?.data?.['value'], 'new');
});

const ignore = (): void => {};

test('with the connection cut at any moment, the store ends as what the server has', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace, plane } = given;
  const cutter = await startCutter(t, Number(new URL(plane.url).port));
  const origin = `https://127.0.0.1:${cutter.port}`;
  const { reflector } = await follow(t, await openKube(t, plane, { origin }), namespace);
  const name = fc.integer({ min: 0, max: 20 }).map((at) => `object-${at}`);
  const step = fc.record({ kind: fc.constantFrom('create', 'update', 'delete', 'cut', 'replace'), name });
  const steps = fc.sample(step, { numRuns: 250, seed: 20261125 });
  for (const { kind, name } of steps) {
    const ref = { namespace, name };
    if (kind === 'cut') cutter.cut();
    if (kind === 'delete' || kind === 'replace') await kube.delete(CONFIG_MAPS, ref).catch(ignore);
    if (kind === 'create' || kind === 'replace') await kube.create(CONFIG_MAPS, configMap(namespace, name)).catch(ignore);
    if (kind === 'update') await kube.patch(CONFIG_MAPS, ref, { merge: { data: { value: String(Math.random()) } } }).catch(ignore);
  }
  await until(() => sameAsListed(reflector, kube, namespace));
  assert.ok(cutter.taken > 10, `the connection was made ${cutter.taken} times only`);
});

test('a token that was replaced is read when the old one is refused', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { plane, namespace } = given;
  const folder = mkdtempSync(join(tmpdir(), 'pggan-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'token');
  writeFileSync(path, 'expired');
  // No certificate: the token alone says who asks.
  const tls = { ca: plane.authority.ca };
  const kube = await openKube(t, plane, { tls, credentials: tokenFile(path) });
  const ask = () => kube.get(CONFIG_MAPS, { namespace, name: 'a' });
  await refused(ask(), 'Unauthorized');
  const { body } = await plane.admin.send('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`, {
    spec: { expirationSeconds: 600 },
  });
  writeFileSync(path, (body as { status: { token: string } }).status.token);
  const error = await refused(ask(), 'Forbidden');
  assert.match(error.message, new RegExp(`system:serviceaccount:${namespace}:default`));
});

test('a finalizer holds its object back until the cleanup has been done, also when a process dies in between', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace } = given;
  const ref = { namespace, name: 'a' };
  const finalizer = { kube, resource: CONFIG_MAPS, name: 'pggan.dev/run' };
  const did: string[] = [];
  const lifecycle = {
    reconcile: () => Promise.resolve(void did.push('reconcile')).then(() => ({})),
    cleanup: () => Promise.resolve(void did.push('cleanup')),
  };
  const step = async (): Promise<void> => void (await withFinalizer(finalizer, await kube.get(CONFIG_MAPS, ref), lifecycle));
  const finalizers = async (): Promise<readonly string[]> => (await kube.get(CONFIG_MAPS, ref)).metadata?.finalizers ?? [];

  const stale = await kube.create(CONFIG_MAPS, configMap(namespace, 'a'));
  await step();
  assert.deepEqual([await finalizers(), did], [['pggan.dev/run'], []], 'nothing is made before the finalizer is there');
  await refused(withFinalizer(finalizer, stale, lifecycle), 'Invalid');
  await kube.patch(CONFIG_MAPS, ref, { json: [{ op: 'add', path: '/metadata/finalizers/0', value: 'example.com/other' }] });
  await step();
  assert.deepEqual(did, ['reconcile']);

  await kube.delete(CONFIG_MAPS, ref);
  // A process that dies after its cleanup and before the removal: its patch never comes.
  const dying = { ...finalizer, kube: { patch: () => Promise.reject(new Error('killed')) } };
  await assert.rejects(withFinalizer(dying, await kube.get(CONFIG_MAPS, ref), lifecycle), /killed/);
  const before = await kube.get(CONFIG_MAPS, ref);
  await step();
  assert.deepEqual(did, ['reconcile', 'cleanup', 'cleanup']);
  assert.deepEqual(await finalizers(), ['example.com/other'], 'the others are not touched');
  await step();
  assert.equal(did.length, 3, 'what has been cleaned up stays so');

  await kube.patch(CONFIG_MAPS, ref, { json: [{ op: 'remove', path: '/metadata/finalizers/0' }] });
  await refused(kube.get(CONFIG_MAPS, ref), 'NotFound');
  await withFinalizer(finalizer, before, lifecycle);
  await kube.create(CONFIG_MAPS, {
    ...configMap(namespace, 'a'),
    metadata: { namespace, name: 'a', finalizers: ['example.com/other', 'pggan.dev/run'] },
  });
  await refused(withFinalizer(finalizer, before, lifecycle), 'Invalid');
  assert.equal((await finalizers()).length, 2, 'a successor of the same name keeps its own');
});

function recording(kube: Kube): { readonly recorder: Recorder; readonly dropped: readonly unknown[] } {
  const dropped: unknown[] = [];
  const recorder = createRecorder({
    kube,
    controller: 'pggan.dev/operator',
    instance: 'test-0',
    onDropped: (_, error) => void dropped.push(error),
  });
  return { recorder, dropped };
}

test('what happens again becomes one event with a count, as kubectl shows it', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace, plane } = given;
  const run = kubectl(t, plane);
  if (run === undefined) return;
  const object = await kube.create(CONFIG_MAPS, configMap(namespace, 'a'));
  const { recorder, dropped } = recording(kube);
  const unreachable = { type: 'Warning', reason: 'StoreUnavailable', action: 'Checking', note: 'Größe '.repeat(300) } as const;
  for (let round = 0; round < 5; round += 1) recorder.record(object, CONFIG_MAPS, unreachable);
  recorder.record(object, CONFIG_MAPS, { type: 'Normal', reason: 'PhaseStarted', action: 'Starting', note: 'Phase 8x8 has started.' });
  await recorder.flush();
  assert.deepEqual(dropped, []);
  const { stdout } = await run(['events', '-n', namespace, '--for', 'configmap/a']);
  assert.match(stdout, /x5 over .* +Warning +StoreUnavailable +ConfigMap\/a +Größe/);
  assert.match(stdout, /Normal +PhaseStarted +ConfigMap\/a +Phase 8x8 has started\./);
  const described = await run(['describe', 'configmap', 'a', '-n', namespace]);
  assert.match(described.stdout, /Warning +StoreUnavailable +.*x5 over/);
});

test('an event about an object of a namespace that is gone is dropped, and says so', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube } = given;
  const { recorder, dropped } = recording(kube);
  recorder.record({ metadata: { namespace: 'nowhere', name: 'a', uid: 'u' } }, CONFIG_MAPS, {
    type: 'Normal',
    reason: 'X',
    action: 'Y',
    note: 'z',
  });
  await recorder.flush();
  assert.equal(dropped.length, 1);
  assert.ok(isKubeError(dropped[0], 'NotFound'));
});

test('a lease passes on when its holder releases it, and when its holder dies', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { kube, namespace } = given;
  const lease = { namespace, name: 'operator' };
  const errors: unknown[] = [];
  // A tenth of the usual times, so that nobody waits for a quarter of a minute. A lease's duration is in whole seconds.
  const times = { durationSeconds: 2, renewDeadlineSeconds: 1, retrySeconds: 0.2 };
  const elect = (identity: string, through: Kube) => {
    const election = createElection({ kube: through, lease, identity, ...times, onError: (error) => void errors.push(error) });
    const leads = Promise.withResolvers<void>();
    const stop = new AbortController();
    const run = election.run(
      (signal) => new Promise((resolve) => (leads.resolve(), signal.addEventListener('abort', () => resolve()))),
      stop.signal,
    );
    return { election, leads: leads.promise, stop, run };
  };
  const holder = async () => (await kube.get(LEASES, lease)).spec?.holderIdentity;

  const first = elect('first', kube);
  await first.leads;
  const way = await openKube(t, given.plane);
  const second = elect('second', way);
  first.stop.abort();
  assert.equal(await first.run, 'stopped');
  await second.leads;
  assert.equal(await holder(), 'second');

  const third = elect('third', kube);
  const diedAt = systemClock.seconds();
  await way.close();
  assert.equal(await second.run, 'lost');
  assert.equal(second.election.mayAct(), false);
  await third.leads;
  assert.ok(systemClock.seconds() - diedAt > 1, 'not before its duration had passed');
  const { spec } = await kube.get(LEASES, lease);
  assert.deepEqual([spec?.holderIdentity, spec?.leaseTransitions], ['third', 2]);
  assert.match(spec?.renewTime ?? '', /\.\d{6}Z$/);
  third.stop.abort();
  assert.equal(await third.run, 'stopped');
  assert.equal(await holder(), '');
});
