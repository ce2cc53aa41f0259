/** The CustomResourceDefinitions on a real API server, as people meet them: kubectl explains, lists, waits, diffs and selects. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { ControlPlane } from './harness/control-plane.ts';
import { type Kubectl, kubectl } from './harness/kubectl.ts';
import { controlPlane, freshNamespace } from './harness/shared-control-plane.ts';

const SAMPLES = join(import.meta.dirname, '../manifests/samples');
const TRAINING = readFileSync(join(SAMPLES, 'rsna-normal.yaml'), 'utf8');

test('kubectl apply takes every sample, and sees no difference afterwards', async (t) => {
  const { run, namespace } = (await open(t)) ?? {};
  if (!run || namespace === undefined) return;
  const samples = samplesWithin(namespace);
  const calls = [['apply', '--dry-run=server'], ['apply'], ['diff']];
  for (const call of calls) {
    const { code, stdout, stderr } = await run([...call, '-f', '-'], samples);
    assert.deepEqual([code, stderr], [0, ''], stdout);
  }
});

test('server-side apply, as Argo CD and Flux do it, sees no difference either', async (t) => {
  const { run, namespace } = (await open(t)) ?? {};
  if (!run || namespace === undefined) return;
  const samples = samplesWithin(namespace);
  for (const command of ['apply', 'diff']) {
    const { code, stdout, stderr } = await run([command, '--server-side', '-f', '-'], samples);
    assert.deepEqual([code, stderr], [0, ''], stdout);
  }
});

test('kubectl explain says what a field means, with its unit', async (t) => {
  const { run } = (await open(t)) ?? {};
  if (!run) return;
  const explain = async (path: string): Promise<string> => (await run(['explain', path])).stdout.replaceAll(/\s+/g, ' ');
  assert.match(await explain('pgt.spec.totalKimg'), /<integer>.*Thousands of real images shown over the whole run/);
  assert.match(await explain('pgt.spec.checkpoints.everySeconds'), /Seconds after which a checkpoint is saved/);
  assert.match(await explain('synth.spec.shards'), /Pods that share the work/);
  assert.match(await explain('pgt.status.phases'), /state <string> -required-/);
});

test('kubectl get shows where a training stands; wide adds losses, checkpoint and GPU', async (t) => {
  const { run, plane, namespace } = (await open(t)) ?? {};
  if (!run || !plane || namespace === undefined) return;
  await run(['apply', '-f', '-'], within(namespace, TRAINING));
  await putStatus(plane, namespace, 'True');
  const get = async (...options: string[]): Promise<readonly (readonly string[])[]> => {
    const { stdout } = await run(['get', 'pgt', '-n', namespace, ...options]);
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/\s{2,}/));
  };
  const [header = [], row = []] = await get();
  assert.deepEqual(header, ['NAME', 'RESOLUTION', 'KIMG', 'PROGRESS', 'READY', 'REASON', 'AGE']);
  assert.deepEqual(row.slice(0, 6), ['rsna-normal', '64', '4510.5', '30', 'True', 'Training']);
  const [wideHeader = [], wide = []] = await get('-o', 'wide');
  assert.deepEqual(wideHeader.slice(7), ['COMPLETION', 'G-LOSS', 'D-LOSS', 'CHECKPOINT', 'GPU']);
  assert.deepEqual(wide.slice(7), ['2030-01-02T00:00:00Z', '-12.5', '3.25', '4480000', '1']);
});

test('kubectl wait returns when a training has succeeded', async (t) => {
  const { run, plane, namespace } = (await open(t)) ?? {};
  if (!run || !plane || namespace === undefined) return;
  await run(['apply', '-f', '-'], within(namespace, TRAINING));
  const waiting = run(['wait', '--for=condition=Succeeded', '--timeout=30s', '-n', namespace, 'pgt/rsna-normal']);
  await putStatus(plane, namespace, 'True');
  const { code, stdout } = await waiting;
  assert.equal(code, 0);
  assert.match(stdout, /rsna-normal condition met/);
});

test('kubectl finds both kinds by category and trainings by the fields that are selectable', async (t) => {
  const { run, namespace } = (await open(t)) ?? {};
  if (!run || namespace === undefined) return;
  await run(['apply', '-f', '-'], samplesWithin(namespace));
  const names = async (...query: string[]): Promise<readonly string[]> =>
    (await run(['get', ...query, '-n', namespace, '-o', 'name'])).stdout.trim().split('\n').sort();
  assert.deepEqual(await names('pggan'), [
    'pggantraining.pggan.dev/quickstart',
    'pggantraining.pggan.dev/rsna-abnormal',
    'pggantraining.pggan.dev/rsna-normal',
    'pggantraining.pggan.dev/rsna-normal-mig',
    'pggantraining.pggan.dev/rsna-normal-queued',
    'pggantraining.pggan.dev/rsna-normal-spot',
    'synthesisjob.pggan.dev/quickstart-32',
    'synthesisjob.pggan.dev/rsna-normal-6300',
  ]);
  assert.deepEqual(await names('pgt', '--field-selector=spec.resolution=32'), ['pggantraining.pggan.dev/quickstart']);
  assert.deepEqual(await names('synth', '--field-selector=spec.trainingRef.name=rsna-normal'), ['synthesisjob.pggan.dev/rsna-normal-6300']);
});

test('a fresh object has the defaults that the documentation names, and is not taken for a finished one', async (t) => {
  const { plane, run, namespace } = (await open(t)) ?? {};
  if (!run || !plane || namespace === undefined) return;
  await run(['apply', '-f', '-'], within(namespace, TRAINING));
  const { body } = await plane.admin.send('GET', `/apis/pggan.dev/v1alpha1/namespaces/${namespace}/pggantrainings/rsna-normal`);
  assert.partialDeepStrictEqual(body, {
    spec: { suspend: false, maxRestarts: 10, progressDeadlineSeconds: 3600, ttlSecondsAfterFinished: 86400 },
    status: { observedGeneration: -1 },
  });
});

type Opened = { readonly plane: ControlPlane; readonly run: Kubectl; readonly namespace: string };

async function open(t: TestContext): Promise<Opened | undefined> {
  const plane = await controlPlane(t);
  const run = plane && kubectl(t, plane);
  return plane && run && { plane, run, namespace: await freshNamespace(plane.admin) };
}

function samplesWithin(namespace: string): string {
  return readdirSync(SAMPLES)
    .map((file) => within(namespace, readFileSync(join(SAMPLES, file), 'utf8')))
    .join('---\n');
}

function within(namespace: string, manifest: string): string {
  const object = parse(manifest) as { readonly metadata: object };
  return stringify({ ...object, metadata: { ...object.metadata, namespace } });
}

/** What the operator would write. */
async function putStatus({ admin }: ControlPlane, namespace: string, succeeded: string): Promise<void> {
  const now = '2030-01-01T00:00:00Z';
  const condition = (type: string, status: string) => ({ type, status, reason: 'Training', message: '', lastTransitionTime: now });
  const status = {
    observedGeneration: 1,
    conditions: [condition('Ready', 'True'), condition('Succeeded', succeeded)],
    resolution: 64,
    progressPercent: 30,
    estimatedCompletionTime: '2030-01-02T00:00:00Z',
    progress: { resolution: 64, images: 4_510_500, kimg: 4510.5, lod: 3.5, losses: { generator: -12.5, discriminator: 3.25 }, time: now },
    checkpoint: { uri: 's3://x/y', images: 4_480_000, digest: 'd', time: now },
  };
  const path = `/apis/pggan.dev/v1alpha1/namespaces/${namespace}/pggantrainings/rsna-normal/status?fieldValidation=Strict`;
  const answer = await admin.send('PATCH', path, { status }, 'application/merge-patch+json');
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}
