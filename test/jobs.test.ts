/** Every Job that we build, before the real API server: admitted under restricted pod security, without a warning, and with no field dropped. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { validateManifest } from '../crds/validate.ts';
import { CONFIG, EVERYTHING, synthesisObject, trainingObject } from '../operator/jobs/test-objects.ts';
import type { Job } from '../operator/jobs/wire.ts';
import type { SynthesisObject } from '../operator/synthesis/observed.ts';
import { synthesisJob } from '../operator/synthesis/job.ts';
import { expectation, type TrainingObject } from '../operator/training/expectation.ts';
import { jobsToTry } from '../operator/training/job.ts';
import { controlPlane, freshNamespace } from './harness/shared-control-plane.ts';

const SAMPLES = join(import.meta.dirname, '../manifests/samples');
const STORED = { uid: '0f3c5a52-8f4e-4a37-9f5e-0d6f3f1f7a01', generation: 1 };

for (const file of readdirSync(SAMPLES)) {
  test(`the API server admits every Job of ${file} as it was built`, async (t) => {
    const admit = await open(t);
    if (!admit) return;
    const jobs = jobsOf(parse(readFileSync(join(SAMPLES, file), 'utf8')));
    assert.ok(jobs.length > 0);
    for (const job of jobs) await admit(job);
  });
}

test('every field that a template can have arrives in the pod', async (t) => {
  const admit = await open(t);
  if (!admit) return;
  const claims = { 'spec/store': undefined, 'spec/dataset/uri': 'pvc://datasets/rsna', 'spec/output/uri': 'pvc://runs' };
  const queue = { 'spec/queue': { name: 'gpu-queue', priorityClass: 'research' } };
  for (const job of trainingJobs(trainingObject({ 'spec/template': EVERYTHING }, queue))) await admit(job);
  for (const job of trainingJobs(trainingObject(claims))) await admit(job);
  await admit(jobOfSynthesis(synthesisObject({ 'spec/template': EVERYTHING, 'spec/store': { endpoint: 'https://minio:9000' } })));
});

test('the pods themselves pass restricted pod security, which would refuse one that may gain privileges', async (t) => {
  const plane = await controlPlane(t);
  if (!plane) return;
  const namespace = await freshNamespace(plane.admin);
  const [preflight] = trainingJobs(trainingObject({ 'spec/store/caConfigMapRef': { name: 'minio-ca' } }));
  const spec = preflight?.spec?.template.spec;
  assert.ok(spec);
  const post = (pod: object) => {
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: pod };
    return plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All&fieldValidation=Strict`, body);
  };
  const admitted = await post(spec);
  assert.deepEqual([admitted.status, admitted.warnings], [201, []], JSON.stringify(admitted.body));
  const open = spec.containers.map((container) => ({ ...container, securityContext: {} }));
  const refused = await post({ ...spec, containers: open });
  assert.equal(refused.status, 403);
  assert.match(JSON.stringify(refused.body), /violates PodSecurity .*allowPrivilegeEscalation/);
});

/** Dry-runs the creation of a Job in a namespace of the highest pod security and compares what comes back. */
async function open(t: TestContext): Promise<((job: Job) => Promise<void>) | undefined> {
  const plane = await controlPlane(t);
  if (!plane) return undefined;
  const namespace = await freshNamespace(plane.admin);
  return async (job) => {
    const sent = JSON.parse(JSON.stringify({ ...job, metadata: { ...job.metadata, namespace } })) as object;
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs?dryRun=All&fieldValidation=Strict`;
    const { status, body, warnings } = await plane.admin.send('POST', path, sent);
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual(warnings, []);
    assert.partialDeepStrictEqual(body, sent);
  };
}

function jobsOf(manifest: unknown): readonly Job[] {
  const validated = validateManifest(manifest);
  assert.ok(validated.ok);
  const { object } = validated;
  const { name, namespace = '' } = object.metadata;
  const metadata = { name, namespace, ...STORED };
  return object.kind === 'PGGANTraining'
    ? trainingJobs({ metadata, spec: object.spec })
    : [jobOfSynthesis({ metadata, spec: object.spec })];
}

/** Its preflight and one Job per phase. */
function trainingJobs(training: TrainingObject): readonly Job[] {
  const wanted = expectation(training);
  assert.ok(wanted.kind === 'valid', JSON.stringify(wanted));
  return jobsToTry(training, wanted.phases, {}, CONFIG);
}

function jobOfSynthesis(object: SynthesisObject): Job {
  const task = { kind: 'synthesize', checkpointUri: 's3://pggan/runs/research/rsna-normal' } as const;
  const create = {
    kind: 'createJob',
    name: `${object.metadata.name}-synthesis`,
    task,
    digest: 'd',
    backoffLimit: 10,
    queued: false,
  } as const;
  return synthesisJob(object, create, { store: { endpoint: 'https://minio.minio.svc:9000' } }, CONFIG);
}
