/** What is kept of Jobs and pods in memory tells the same as the whole of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { projectJob, projectPod } from './cluster.ts';
import { fateOf } from './jobs/fates.ts';
import type { Listed } from './jobs/observe.ts';
import { endedAt, failureOf, isDisrupted, lastDocument, podState, startedAt } from './jobs/pods.ts';
import type { Job, Pod } from './jobs/wire.ts';
import { observedJobs } from './training/source.ts';

const TIME = '2030-01-01T10:00:00Z';
const NOW = new Date('2030-01-01T12:00:00Z');
const MANAGED = [{ manager: 'kubelet', operation: 'Update', fieldsV1: { 'f:status': {} } }];
const SAID = { version: 'v1', kind: 'preflight', state: 'Complete', images: 0, complete: false, time: TIME };

type State = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number]['state'];

const JOB = {
  metadata: {
    name: 'x-4',
    namespace: 'research',
    uid: 'job-1',
    creationTimestamp: TIME,
    annotations: { 'pggan.dev/task': '{"kind":"train","resolution":4,"endImages":600064}', 'pggan.dev/digest': 'd' },
    ownerReferences: [{ apiVersion: 'pggan.dev/v1alpha1', kind: 'PGGANTraining', name: 'x', uid: 'training-1', controller: true }],
    managedFields: MANAGED,
  },
  spec: {
    suspend: false,
    backoffLimit: 10,
    template: { spec: { containers: [{ name: 'trainer', env: [{ name: 'PGGAN_RUN', value: '{}' }] }] } },
  },
  status: { startTime: TIME, failed: 1 },
} as Job;

function pod(phase: string, state: State, more: Pod['metadata'] = {}): Pod {
  const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: TIME, reason: 'Because' });
  return {
    metadata: {
      name: 'x-4-abcde',
      namespace: 'research',
      uid: `pod-${phase}`,
      creationTimestamp: TIME,
      labels: { 'pggan.dev/training': 'x', 'app.kubernetes.io/component': 'preflight', 'batch.kubernetes.io/job-name': 'x-4' },
      annotations: { 'cni.example.com/address': '10.0.0.1', 'batch.kubernetes.io/job-completion-index': '3' },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'x-4', uid: 'job-1', controller: true }],
      managedFields: MANAGED,
      ...more,
    },
    spec: { nodeName: 'node', containers: [{ name: 'trainer', image: 'i' }] },
    status: {
      phase,
      podIP: '10.0.0.1',
      hostIP: '10.1.0.1',
      conditions: ['PodScheduled', 'Initialized', 'Ready', 'DisruptionTarget'].map(condition),
      containerStatuses: [{ name: 'trainer', image: 'i', imageID: 'sha256:0', ready: true, restartCount: 0, state }],
    },
  };
}

const terminated = (exitCode: number) => ({
  terminated: { exitCode, reason: 'Error', message: JSON.stringify(SAID), startedAt: TIME, finishedAt: TIME },
});

const PODS = [
  pod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }),
  pod('Running', { running: { startedAt: TIME } }),
  pod('Running', { running: { startedAt: TIME } }, { uid: 'pod-lost', deletionTimestamp: TIME }),
  pod('Succeeded', terminated(0)),
  pod('Failed', terminated(75)),
];

test('a pod and a Job of which only that is kept which is read tell the same', () => {
  const told = (one: Pod) => ({
    state: podState(one, NOW),
    ended: endedAt(one),
    started: startedAt(one),
    failure: failureOf(one),
    disrupted: isDisrupted(one),
    document: lastDocument(one),
    fate: fateOf(one, JOB, NOW),
  });
  for (const one of PODS) assert.deepEqual(told(projectPod(one)), told(one));
  const metadata = { name: 'x', namespace: 'research', uid: 'training-1' };
  const listed: Listed = { owner: { kind: 'PGGANTraining', metadata }, jobs: [JOB], pods: PODS, refusals: new Map(), now: NOW };
  assert.deepEqual(observedJobs({ ...listed, jobs: [projectJob(JOB)], pods: PODS.map(projectPod) }), observedJobs(listed));
});

test('what is kept of a pod is a small part of it: no environment, no conditions or labels of others', () => {
  const [kept] = PODS.map(projectPod);
  assert.deepEqual(Object.keys(kept?.metadata?.labels ?? {}), ['pggan.dev/training', 'app.kubernetes.io/component']);
  assert.deepEqual(kept?.metadata?.annotations, { 'batch.kubernetes.io/job-completion-index': '3' });
  assert.deepEqual(
    kept?.status?.conditions?.map(({ type }) => type),
    ['PodScheduled', 'Ready', 'DisruptionTarget'],
  );
  assert.equal(kept?.metadata?.managedFields, undefined);
});
