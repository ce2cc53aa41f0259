/** From a deletion to the Job that deletes the run folder. Its way through a cluster is in test/operator.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRunDocument } from '../../crds/run.ts';
import { CONFIG, EVERYTHING, trainingObject } from '../jobs/test-objects.ts';
import { deletionJob } from './deletion-job.ts';

const NAME = 'rsna-normal-del-0f3c5a52';

test('the Job is found by its training, has no owner that could take it along, and goes by itself', () => {
  const training = trainingObject();
  const { metadata, spec } = deletionJob(training, NAME, {}, CONFIG);
  assert.partialDeepStrictEqual(metadata?.labels, {
    'pggan.dev/training': training.metadata.name,
    'app.kubernetes.io/component': 'deletion',
    'app.kubernetes.io/managed-by': 'pggan-operator',
  });
  assert.equal(metadata?.annotations?.['pggan.dev/for-uid'], training.metadata.uid);
  assert.equal(metadata?.ownerReferences, undefined);
  assert.equal(spec?.ttlSecondsAfterFinished, training.spec.ttlSecondsAfterFinished);
});

test('it waits for no queue, asks for no device, and runs where the phases ran', () => {
  const training = trainingObject({ 'spec/template': EVERYTHING, 'spec/queue': { name: 'gpu-queue' } });
  const { metadata, spec } = deletionJob(training, NAME, {}, CONFIG);
  assert.equal(spec?.suspend, false);
  assert.ok(Object.keys(metadata?.labels ?? {}).every((key) => !key.startsWith('kueue')));
  const pod = spec?.template.spec;
  assert.deepEqual(Object.keys(pod?.containers[0]?.resources?.limits ?? {}), ['memory']);
  assert.equal(pod?.resourceClaims, undefined);
  assert.deepEqual(pod?.tolerations, EVERYTHING.tolerations);
});

test('the process is told to delete the folder of this very training, wherever that began', () => {
  const training = trainingObject({ 'spec/initFrom': { trainingRef: { name: 'long-gone' } } });
  const [container] = deletionJob(training, NAME, {}, CONFIG).spec?.template.spec?.containers ?? [];
  assert.deepEqual(container?.args, ['delete-run']);
  const run = parseRunDocument(container?.env?.find(({ name }) => name === 'PGGAN_RUN')?.value);
  assert.ok(run.kind === 'training');
  assert.deepEqual(run.task, { kind: 'deleteRun' });
  assert.equal(run.owner.uid, training.metadata.uid);
  assert.match(run.run.uri, /\/research\/rsna-normal$/);
  assert.equal(run.initFrom, undefined);
});
