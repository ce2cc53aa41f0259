/** planSynthesis() by table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObservedJob } from '../training/observed.ts';
import type { ObservedSynthesis, SynthesisObject, SynthesisTask } from './observed.ts';
import { planSynthesis as judge } from './plan.ts';
import { synthesisStatus } from '../../crds/v1alpha1/synthesis-job.ts';
import { shardImages } from './summary.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const SPEC: SynthesisObject['spec'] = {
  trainingRef: { name: 'x' },
  waitForTraining: true,
  count: 10,
  seed: 1000,
  latents: 'RandomState',
  shards: 4,
  output: { uri: 's3://pggan/synthetic' },
  format: 'PNG',
  minibatch: 8,
  threads: 2,
  suspend: false,
  maxRestarts: 10,
  ttlSecondsAfterFinished: 60,
};
const object = (spec: Partial<SynthesisObject['spec']> = {}, status?: SynthesisObject['status']): SynthesisObject => ({
  metadata: { name: 's', namespace: 'default', uid: 'u', generation: 1 },
  spec: { ...SPEC, ...spec },
  ...(status && { status }),
});
const EMPTY: ObservedSynthesis = { jobs: [], conflicts: [], unfinishedPods: [], completedShards: [], progress: [] };
const trained = { succeeded: true, stalled: false, checkpointUri: 's3://pggan/runs/default/x' };
const job = (state: ObservedJob['state'], rest: Partial<ObservedJob<SynthesisTask>> = {}): ObservedJob<SynthesisTask> => ({
  name: 's-synthesis',
  uid: 'j',
  task: { kind: 'synthesize', checkpointUri: trained.checkpointUri },
  digest: 'd',
  deleting: false,
  expires: false,
  state,
  createdAt: NOW.toISOString(),
  podsFailed: 0,
  podsEnded: 0,
  ...rest,
});
const finishedAt = NOW.toISOString();
/** The plan, with its status held to the CRD: an API server would prune or refuse what is not in it. */
const planSynthesis: typeof judge = (...world) => {
  const next = judge(...world);
  synthesisStatus.parse(next.status);
  return next;
};
const reason = (next: ReturnType<typeof planSynthesis>, type = 'Progressing'): string | undefined =>
  next.status.conditions.find((condition) => condition.type === type)?.reason;
const does = (next: ReturnType<typeof planSynthesis>): readonly string[] => next.actions.map((action) => action.kind);

test('images that are larger than the training draws are refused before anybody waits for it; smaller ones are drawn', () => {
  const training = { succeeded: false, stalled: false, resolution: 64 };
  const next = planSynthesis(object({ resolution: 128 }), { ...EMPTY, training }, NOW);
  const accepted = next.status.conditions.find(({ type }) => type === 'Accepted');
  assert.deepEqual([accepted?.status, accepted?.reason], ['False', 'Invalid']);
  assert.match(
    accepted?.message ?? '',
    /spec.resolution is 128, but PGGANTraining x trains for 64x64: create a SynthesisJob of at most 64/,
  );
  assert.deepEqual(next.actions, []);
  assert.equal(reason(planSynthesis(object({ resolution: 64 }), { ...EMPTY, training }, NOW)), 'WaitingForTraining');
  const done = planSynthesis(object({ resolution: 32 }), { ...EMPTY, training: { ...trained, resolution: 64 } }, NOW);
  assert.deepEqual(does(done), ['createJob']);
});

test('it waits for its training, Ready and without a Job, and begins when the training has succeeded', () => {
  for (const training of [undefined, { succeeded: false, stalled: false }, { succeeded: false, stalled: true }]) {
    const next = planSynthesis(object(), { ...EMPTY, ...(training && { training }) }, NOW);
    assert.equal(reason(next), 'WaitingForTraining');
    assert.deepEqual(does(next), []);
    assert.equal(next.status.conditions.find((condition) => condition.type === 'Ready')?.status, 'True');
  }
  assert.deepEqual(does(planSynthesis(object(), { ...EMPTY, training: trained }, NOW)), ['createJob']);
});

test('without waitForTraining the newest checkpoint of an unfinished training is enough', () => {
  const next = planSynthesis(object({ waitForTraining: false }), { ...EMPTY, training: { ...trained, succeeded: false } }, NOW);
  assert.deepEqual(does(next), ['createJob']);
});

test('no Job is created beside a pod that has not ended', () => {
  const next = planSynthesis(object(), { ...EMPTY, training: trained, unfinishedPods: ['s-synthesis-0'] }, NOW);
  assert.deepEqual([reason(next), does(next)], ['WaitingForPreviousPods', []]);
});

test('images done are those of completed shards and of what running ones say', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((shard) => shardImages(10, 4, shard)),
    [3, 3, 2, 2],
  );
  const document = { version: 'v1', kind: 'synthesis', state: 'Synthesizing', done: 1, wanted: 2, time: NOW.toISOString() } as const;
  const seen = {
    ...EMPTY,
    jobs: [job({ kind: 'active', pod: { kind: 'running' } })],
    completedShards: [0],
    progress: [
      { shard: 0, document: { ...document, done: 3 } },
      { shard: 2, document },
    ],
  };
  const next = planSynthesis(object(), seen, NOW);
  assert.deepEqual([next.status.imagesDone, next.status.progressPercent, reason(next)], [4, 40, 'Synthesizing']);
});

test('Succeeded is terminal, also when the Job and the training are gone', () => {
  const done = planSynthesis(object(), { ...EMPTY, training: trained, jobs: [job({ kind: 'succeeded', finishedAt })] }, NOW);
  assert.equal(reason(done, 'Succeeded'), 'Complete');
  const later = planSynthesis(object({}, done.status), EMPTY, NOW);
  assert.deepEqual([later.status, later.actions], [done.status, []]);
});

for (const [exitCode, stalled] of [
  [2, 'Invalid'],
  [3, 'DoesNotFit'],
  [1, 'MaxRestartsExceeded'],
] as const) {
  test(`a Job that failed with exit ${exitCode} waits for a person, and a retry replaces it`, () => {
    const failed = job({ kind: 'failed', finishedAt }, { podsFailed: 1, failure: { exitCode, outOfMemory: false, message: 'no' } });
    const seen = { ...EMPTY, training: trained, jobs: [failed] };
    const next = planSynthesis(object(), seen, NOW);
    assert.equal(reason(next, 'Stalled'), stalled);
    const asked = object({}, next.status);
    const retried = planSynthesis({ ...asked, metadata: { ...asked.metadata, annotations: { 'pggan.dev/retry': '1' } } }, seen, NOW);
    assert.deepEqual([reason(retried, 'Stalled'), does(retried)], [undefined, ['deleteJob']]);
    const again = planSynthesis(object({}, retried.status), { ...EMPTY, training: trained }, NOW);
    assert.deepEqual(does(again), ['createJob']);
  });
}

test('an unreachable store is tried again after 30 s', () => {
  const failed = job({ kind: 'failed', finishedAt }, { podsFailed: 1, failure: { exitCode: 4, outOfMemory: false, message: 'no store' } });
  const seen = { ...EMPTY, training: trained, jobs: [failed] };
  const next = planSynthesis(object(), seen, NOW);
  assert.deepEqual([reason(next), does(next), next.lookAgainSeconds], ['StoreUnavailable', [], 30]);
  const due = planSynthesis(object({}, next.status), seen, new Date(NOW.getTime() + 30_000));
  assert.deepEqual(does(due), ['deleteJob']);
});

test('suspend stops an unqueued Job and deletes a queued one', () => {
  const seen = { ...EMPTY, training: trained, jobs: [job({ kind: 'active', pod: { kind: 'running' } })] };
  assert.deepEqual(does(planSynthesis(object({ suspend: true }), seen, NOW)), ['setSuspend']);
  assert.deepEqual(does(planSynthesis(object({ suspend: true, queue: { name: 'q' } }), seen, NOW)), ['deleteJob']);
});
