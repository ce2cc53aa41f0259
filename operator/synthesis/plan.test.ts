/** planSynthesis() by table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planSynthesis as judge } from './plan.ts';
import { synthesisStatus } from '../../crds/v1alpha1/synthesis-job.ts';
import { job, NOTHING, NOW, synthesis, TRAINED } from './states.ts';
import { shardImages } from './summary.ts';

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
  const next = planSynthesis(synthesis({ resolution: 128 }), { ...NOTHING, training }, NOW);
  const accepted = next.status.conditions.find(({ type }) => type === 'Accepted');
  assert.deepEqual([accepted?.status, accepted?.reason], ['False', 'Invalid']);
  assert.match(
    accepted?.message ?? '',
    /spec.resolution is 128, but PGGANTraining x trains for 64x64: create a SynthesisJob of at most 64/,
  );
  assert.deepEqual(next.actions, []);
  assert.equal(reason(planSynthesis(synthesis({ resolution: 64 }), { ...NOTHING, training }, NOW)), 'WaitingForTraining');
  const done = planSynthesis(synthesis({ resolution: 32 }), { ...NOTHING, training: { ...TRAINED, resolution: 64 } }, NOW);
  assert.deepEqual(does(done), ['createJob']);
});

test('it waits for its training, Ready and without a Job, and begins when the training has succeeded', () => {
  for (const training of [undefined, { succeeded: false, stalled: false }, { succeeded: false, stalled: true }]) {
    const next = planSynthesis(synthesis(), { ...NOTHING, ...(training && { training }) }, NOW);
    assert.equal(reason(next), 'WaitingForTraining');
    assert.deepEqual(does(next), []);
    assert.equal(next.status.conditions.find((condition) => condition.type === 'Ready')?.status, 'True');
  }
  assert.deepEqual(does(planSynthesis(synthesis(), { ...NOTHING, training: TRAINED }, NOW)), ['createJob']);
});

test('without waitForTraining the newest checkpoint of an unfinished training is enough', () => {
  const next = planSynthesis(synthesis({ waitForTraining: false }), { ...NOTHING, training: { ...TRAINED, succeeded: false } }, NOW);
  assert.deepEqual(does(next), ['createJob']);
});

test('no Job is created beside a pod that has not ended', () => {
  const next = planSynthesis(synthesis(), { ...NOTHING, training: TRAINED, unfinishedPods: ['s-synthesis-0'] }, NOW);
  assert.deepEqual([reason(next), does(next)], ['WaitingForPreviousPods', []]);
});

test('images done are those of completed shards and of what running ones say', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((shard) => shardImages(10, 4, shard)),
    [3, 3, 2, 2],
  );
  const document = { version: 'v1', kind: 'synthesis', state: 'Synthesizing', done: 1, wanted: 2, time: NOW.toISOString() } as const;
  const seen = {
    ...NOTHING,
    jobs: [job({ kind: 'active', pod: { kind: 'running' } })],
    completedShards: [0],
    progress: [
      { shard: 0, document: { ...document, done: 3 } },
      { shard: 2, document },
    ],
  };
  const next = planSynthesis(synthesis(), seen, NOW);
  assert.deepEqual([next.status.imagesDone, next.status.progressPercent, reason(next)], [4, 40, 'Synthesizing']);
});

test('Succeeded is terminal, also when the Job and the training are gone', () => {
  const done = planSynthesis(synthesis(), { ...NOTHING, training: TRAINED, jobs: [job({ kind: 'succeeded', finishedAt })] }, NOW);
  assert.equal(reason(done, 'Succeeded'), 'Complete');
  const later = planSynthesis(synthesis({}, done.status), NOTHING, NOW);
  assert.deepEqual([later.status, later.actions], [done.status, []]);
});

for (const [exitCode, stalled] of [
  [2, 'Invalid'],
  [3, 'DoesNotFit'],
  [1, 'MaxRestartsExceeded'],
] as const) {
  test(`a Job that failed with exit ${exitCode} waits for a person, and a retry replaces it`, () => {
    const failed = job({ kind: 'failed', finishedAt }, { podsFailed: 1, failure: { exitCode, outOfMemory: false, message: 'no' } });
    const seen = { ...NOTHING, training: TRAINED, jobs: [failed] };
    const next = planSynthesis(synthesis(), seen, NOW);
    assert.equal(reason(next, 'Stalled'), stalled);
    const asked = synthesis({}, next.status);
    const retried = planSynthesis({ ...asked, metadata: { ...asked.metadata, annotations: { 'pggan.dev/retry': '1' } } }, seen, NOW);
    assert.deepEqual([reason(retried, 'Stalled'), does(retried)], [undefined, ['deleteJob']]);
    const again = planSynthesis(synthesis({}, retried.status), { ...NOTHING, training: TRAINED }, NOW);
    assert.deepEqual(does(again), ['createJob']);
  });
}

test('an unreachable store is tried again after 30 s', () => {
  const failed = job({ kind: 'failed', finishedAt }, { podsFailed: 1, failure: { exitCode: 4, outOfMemory: false, message: 'no store' } });
  const seen = { ...NOTHING, training: TRAINED, jobs: [failed] };
  const next = planSynthesis(synthesis(), seen, NOW);
  assert.deepEqual([reason(next), does(next), next.lookAgainSeconds], ['StoreUnavailable', [], 30]);
  const due = planSynthesis(synthesis({}, next.status), seen, new Date(NOW.getTime() + 30_000));
  assert.deepEqual(does(due), ['deleteJob']);
});

test('a store that no shard can reach costs no restart, whether its Job has failed yet or is about to', () => {
  const failure = { exitCode: 4, outOfMemory: false, message: 'no store' };
  const counts = { podsFailed: 3, podsEnded: 4, podsWithoutStore: 3, failure };
  const seen = (state: Parameters<typeof job>[0]) => ({ ...NOTHING, training: TRAINED, jobs: [job(state, counts)] });
  const failing = planSynthesis(synthesis(), seen({ kind: 'active', pod: { kind: 'running' } }), NOW);
  const failed = planSynthesis(synthesis({}, failing.status), seen({ kind: 'failed', finishedAt }), NOW);
  assert.deepEqual([failing.status.failures, failed.status.failures, reason(failed)], [0, 0, 'StoreUnavailable']);
});

test('an edit reaches a Job of which no pod has run', () => {
  const [waits, runs] = (['pending', 'running'] as const).map((kind) => job({ kind: 'active', pod: { kind } }, { digest: 'earlier' }));
  assert.ok(waits && runs);
  assert.deepEqual(does(planSynthesis(synthesis(), { ...NOTHING, training: TRAINED, jobs: [waits] }, NOW)), ['deleteJob']);
  assert.deepEqual(does(planSynthesis(synthesis(), { ...NOTHING, training: TRAINED, jobs: [runs] }, NOW)), []);
});

test('suspend stops an unqueued Job and deletes a queued one', () => {
  const seen = { ...NOTHING, training: TRAINED, jobs: [job({ kind: 'active', pod: { kind: 'running' } })] };
  assert.deepEqual(does(planSynthesis(synthesis({ suspend: true }), seen, NOW)), ['setSuspend']);
  const queued = { ...seen, jobs: [job({ kind: 'active', pod: { kind: 'running' } }, { inQueue: true })] };
  assert.deepEqual(does(planSynthesis(synthesis({ suspend: true, queue: { name: 'q' } }), queued, NOW)), ['deleteJob']);
  assert.deepEqual(
    does(planSynthesis(synthesis({ suspend: true }), queued, NOW)),
    ['deleteJob'],
    'its queue was taken out of the spec since',
  );
});

test('three kills for memory without an image between them end the Job and wait for a person; a retry makes another', () => {
  const failure = { exitCode: 137, outOfMemory: true, message: 'killed for want of memory' };
  const killed = (times: number) => ({
    ...NOTHING,
    training: TRAINED,
    jobs: [job({ kind: 'active', pod: { kind: 'pending' } }, { podsFailed: times, podsEnded: times, failure })],
  });
  const twice = planSynthesis(synthesis(), killed(2), NOW);
  assert.deepEqual([reason(twice, 'Stalled'), does(twice)], [undefined, []]);
  const thrice = planSynthesis(synthesis({}, twice.status), killed(3), NOW);
  assert.deepEqual([reason(thrice, 'Stalled'), does(thrice)], ['OutOfMemory', ['deleteJob']]);
  assert.match(thrice.status.conditions.find(({ type }) => type === 'Stalled')?.message ?? '', /smaller minibatch/);
  const gone = { ...NOTHING, training: TRAINED };
  const waiting = planSynthesis(synthesis({}, thrice.status), gone, NOW);
  assert.deepEqual([reason(waiting, 'Stalled'), does(waiting)], ['OutOfMemory', []]);
  const asked = synthesis({}, waiting.status);
  const retried = planSynthesis({ ...asked, metadata: { ...asked.metadata, annotations: { 'pggan.dev/retry': '1' } } }, gone, NOW);
  assert.deepEqual([reason(retried, 'Stalled'), does(retried)], [undefined, ['createJob']]);
});
