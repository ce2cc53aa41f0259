/** Jobs and pods in the shapes in which the API server lists them, and what plan() is told of each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observedJobs, lastProgress } from '../training/source.ts';
import { observedShards } from '../synthesis/source.ts';
import { condition, container, exit, job, listed, NOW, only, pod, PROGRESS, START } from './listed-objects.ts';
import { endsNow, terminating as terminatingPods } from './observe.ts';
import { isDisrupted } from './pods.ts';
import type { Job, Pod } from './wire.ts';

test('a Job that waits for its queue is queued, one that was suspended on request is not', () => {
  assert.deepEqual(stateOf(job({ spec: { suspend: true }, labels: { 'kueue.x-k8s.io/queue-name': 'gpu' } })), { kind: 'queued' });
  assert.deepEqual(stateOf(job({ spec: { suspend: true } })), { kind: 'suspended' });
});

test('a finished Job is told by its condition, with its time; one that is about to fail still has a pod', () => {
  const complete = condition('Complete', '2030-01-01T11:30:00Z');
  const succeeded = job({
    status: { succeeded: 1, completionTime: '2030-01-01T11:29:59Z', conditions: [condition('SuccessCriteriaMet'), complete] },
  });
  assert.deepEqual(stateOf(succeeded), { kind: 'succeeded', finishedAt: '2030-01-01T11:29:59Z' });
  const failed = job({ status: { failed: 1, conditions: [condition('FailureTarget'), condition('Failed', '2030-01-01T11:30:00Z')] } });
  assert.deepEqual(stateOf(failed), { kind: 'failed', finishedAt: '2030-01-01T11:30:00Z' });
  const failing = job({ status: { failed: 1, conditions: [condition('FailureTarget')] } });
  assert.deepEqual(stateOf(failing, [pod({ phase: 'Running' })]), { kind: 'active', pod: { kind: 'running' } });
});

test('a Job without a pod says since when, and why its pods are refused', () => {
  assert.deepEqual(stateOf(job({ status: { startTime: '2030-01-01T10:05:00Z' } })), {
    kind: 'active',
    pod: { kind: 'none', since: '2030-01-01T10:05:00Z' },
  });
  const ended = pod({ phase: 'Failed', ...exit(75, { finishedAt: '2030-01-01T11:00:00Z' }) });
  const refused = observedJobs(listed([job()], [ended], new Map([['job-1', 'exceeded quota: gpus']]))).jobs[0]?.state;
  assert.deepEqual(refused, { kind: 'active', pod: { kind: 'none', since: '2030-01-01T11:00:00Z', message: 'exceeded quota: gpus' } });
});

const succeeded = (finishedAt: string): Pod => pod({ phase: 'Succeeded', ...exit(0, { finishedAt }) });

test('a pod that has succeeded speaks for its Job until the Job has counted it, and for some seconds nothing is told of it alone', () => {
  const now = succeeded('2030-01-01T11:59:59Z');
  assert.deepEqual(stateOf(job(), [now]), { kind: 'active', pod: { kind: 'running' } });
  assert.equal(endsNow(listed([job()], [now])), true);
  assert.equal(endsNow(listed([job()], [succeeded('2030-01-01T11:59:50Z')])), false, 'nobody counts it: that is told');
  const met = job({ status: { succeeded: 1, conditions: [condition('SuccessCriteriaMet')] } });
  assert.equal(endsNow(listed([met], [now])), true);
  const complete = job({ status: { succeeded: 1, conditions: [condition('SuccessCriteriaMet'), condition('Complete')] } });
  assert.equal(endsNow(listed([complete], [now])), false);
  assert.equal(endsNow(listed([job()], [pod({ phase: 'Failed', ...exit(1, { finishedAt: '2030-01-01T11:59:59Z' }) })])), false);
});

test('the times of a Job tell how long it waited for its queue, and then for its pod; a pod from before its queue stopped it tells nothing', () => {
  const queue = { 'kueue.x-k8s.io/queue-name': 'gpu' };
  const suspended = condition('Suspended', '2030-01-01T11:00:00Z');
  assert.deepEqual(timesOf(job({ labels: queue, spec: { suspend: true } })), { kind: 'queued', since: START });
  assert.deepEqual(timesOf(job({ labels: queue, spec: { suspend: true }, status: { conditions: [suspended] } })), {
    kind: 'queued',
    since: '2030-01-01T11:00:00Z',
  });
  const admitted = job({ labels: queue, status: { startTime: '2030-01-01T11:10:00Z' } });
  const before = { startedAt: '2030-01-01T10:05:00Z', finishedAt: '2030-01-01T11:00:02Z' };
  const stopped = pod({ phase: 'Failed', ...exit(75, before) });
  assert.deepEqual(timesOf(admitted, [stopped]), { kind: 'admitted', at: '2030-01-01T11:10:00Z' });
  const runs = pod({ phase: 'Running', containerStatuses: [container({ running: { startedAt: '2030-01-01T11:10:30Z' } })] });
  assert.deepEqual(timesOf(admitted, [stopped, runs]), { kind: 'admitted', at: '2030-01-01T11:10:00Z', startedAt: '2030-01-01T11:10:30Z' });
  assert.equal(timesOf(job({ spec: { suspend: true } })), undefined, 'nobody waits who was asked to stop');
});

test('a pod that is not placed, or whose image cannot be had, says so', () => {
  const message = '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.';
  const unplaced = pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });
  assert.deepEqual(stateOf(job(), [unplaced]), { kind: 'active', pod: { kind: 'pending', message: `Unschedulable: ${message}` } });
  const pulling = pod({
    phase: 'Pending',
    containerStatuses: [container({ waiting: { reason: 'ImagePullBackOff', message: 'no such image' } })],
  });
  assert.deepEqual(stateOf(job(), [pulling]), { kind: 'active', pod: { kind: 'pending', message: 'ImagePullBackOff: no such image' } });
  const creating = pod({ phase: 'Pending', containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })] });
  assert.deepEqual(stateOf(job(), [creating]), { kind: 'active', pod: { kind: 'pending' } });
});

test('a pod is lost a minute after its grace is over, not a minute after its deletion was asked for', () => {
  // deletionTimestamp already includes the grace.
  assert.deepEqual(stateOf(job(), [terminating('2030-01-01T11:59:30Z')]), { kind: 'active', pod: { kind: 'running' } });
  assert.deepEqual(stateOf(job(), [terminating('2030-01-01T11:58:59Z')]), {
    kind: 'active',
    pod: { kind: 'lost', since: '2030-01-01T11:58:59Z' },
  });
});

test('a pod that is lost is told of though other shards run: nothing replaces it, and they do not draw its images', () => {
  const lost = terminating('2030-01-01T11:58:59Z');
  for (const pods of [
    [lost, pod({ phase: 'Running' })],
    [pod({ phase: 'Running' }), pod({ phase: 'Pending' }), lost],
  ])
    assert.deepEqual(stateOf(job(), pods), { kind: 'active', pod: { kind: 'lost', since: '2030-01-01T11:58:59Z' } });
});

test('a pod that was told to end has a time at which its node counts as lost, unless it has ended', () => {
  const ended = pod({ phase: 'Succeeded' }, { deletionTimestamp: '2030-01-01T11:59:30Z' });
  const pods = [terminating('2030-01-01T11:59:30Z'), ended, pod({ phase: 'Running' })];
  assert.deepEqual(
    terminatingPods(pods).map(({ lostAt }) => lostAt),
    ['2030-01-01T12:00:30.000Z'],
  );
});

test("a failure has the exit code of the pod that ended last, in the trainer's own words", () => {
  const document = {
    ...PROGRESS,
    state: 'Failed',
    failure: { code: 'StoreUnavailable', message: 'http://minio:9000 refuses the connection' },
  };
  const first = pod({ phase: 'Failed', ...exit(75, { finishedAt: '2030-01-01T10:30:00Z' }) });
  const last = pod({ phase: 'Failed', ...exit(4, { finishedAt: '2030-01-01T11:00:00Z', message: `${JSON.stringify(document)}   ` }) });
  const { failure, podsEnded, podsFailed } = only(job(), [last, first]);
  assert.deepEqual(failure, { exitCode: 4, outOfMemory: false, message: 'http://minio:9000 refuses the connection' });
  assert.deepEqual([podsFailed, podsEnded], [1, 2], 'ends that the Job does not count, or not yet, are counted by their pods');
});

test('a pod without a document is told by the end of its log, or by what Kubernetes says of it', () => {
  const log = 'node:internal/modules\nError: libtensorflow.so.2: cannot open shared object file';
  assert.equal(failureOf(exit(1, { message: log })).message, 'exit code 1: Error: libtensorflow.so.2: cannot open shared object file');
  assert.equal(
    failureOf({ reason: 'Evicted', message: 'The node was low on resource: memory.' }).message,
    'its end was not seen: Evicted: The node was low on resource: memory.',
  );
  assert.equal(failureOf(exit(139, {})).message, 'exit code 139');
});

test('a torn document of a killed process is no message for people', () => {
  const torn = JSON.stringify(PROGRESS).slice(0, 200);
  assert.deepEqual(failureOf(exit(137, { reason: 'OOMKilled', message: torn })), {
    exitCode: 137,
    outOfMemory: true,
    message: 'killed for want of memory',
  });
});

test('nothing is made up about a container that its kubelet lost sight of', () => {
  const unknown = exit(137, {
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
  });
  assert.equal(failureOf(unknown).exitCode, undefined);
});

test('an eviction is a disruption, a crash is none', () => {
  const target = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' };
  assert.equal(isDisrupted(pod({ phase: 'Failed', conditions: [target] })), true);
  assert.equal(isDisrupted(pod({ phase: 'Failed', ...exit(1, {}) })), false);
});

const TARGET = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' };

const fate = (one: Pod, of: Job = job()) =>
  observedJobs(listed([of], [one])).fates?.map(({ disrupted, outOfMemory }) => [disrupted, outOfMemory]);

test('a pod that is evicted, preempted or lost, or stops unasked, is disrupted as soon as that is sure; one that is killed for want of memory is told apart', () => {
  const queued = job({ spec: { suspend: true }, labels: { 'kueue.x-k8s.io/queue-name': 'gpu' } });
  const deleted = job({ deletionTimestamp: NOW });
  assert.deepEqual(fate(pod({ phase: 'Failed', conditions: [TARGET] })), [[true, false]]);
  assert.deepEqual(fate(pod({ phase: 'Running', conditions: [TARGET] }, { deletionTimestamp: NOW })), [[true, false]]);
  assert.deepEqual(fate(pod({ phase: 'Running', conditions: [TARGET] })), [], 'it may be spared');
  assert.deepEqual(fate(pod({ phase: 'Failed', ...exit(75, {}) })), [[true, false]]);
  assert.deepEqual(fate(terminating('2030-01-01T11:58:59Z')), [[true, false]], 'its node is lost');
  assert.deepEqual(fate(terminating('2030-01-01T11:59:30Z')), []);
  assert.deepEqual(fate(terminating('2030-01-01T11:59:30Z'), queued), [[true, false]], 'its queue preempts it');
  assert.deepEqual(fate(pod({ phase: 'Failed', ...exit(137, { reason: 'OOMKilled' }) })), [[false, true]]);
  assert.deepEqual(fate(pod({ phase: 'Failed', ...exit(1, {}) })), []);
  assert.deepEqual(fate(pod({ phase: 'Succeeded', ...exit(0, {}), conditions: [TARGET] })), []);
  for (const asked of [deleted, job({ spec: { suspend: true } })]) {
    assert.deepEqual(fate(pod({ phase: 'Failed', ...exit(75, {}) }), asked), [[false, false]]);
    assert.deepEqual(fate(terminating('2030-01-01T11:59:30Z'), asked), [[false, false]], 'nor when it ends after all');
  }
});

test('a failed Job whose pods are gone is told by its own condition', () => {
  const message = 'Container trainer for pod research/x-8-abcde failed with exit code 2 matching FailJob rule at index 2';
  const failed = job({ status: { failed: 1, conditions: [{ ...condition('Failed'), reason: 'PodFailurePolicy', message }] } });
  assert.deepEqual(only(failed, []).failure, { exitCode: 2, outOfMemory: false, message });
  const spent = job({
    status: {
      failed: 11,
      conditions: [{ ...condition('Failed'), reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }],
    },
  });
  assert.deepEqual(only(spent, []).failure, { outOfMemory: false, message: 'Job has reached the specified backoff limit' });
});

test('a failed Job is told by the pod that failed it, not by those that it stopped then', () => {
  const message = 'Container trainer for pod research/x-8-2 failed with exit code 4 matching FailJob rule at index 3';
  const failed = job({ status: { failed: 1, conditions: [{ ...condition('Failed'), reason: 'PodFailurePolicy', message }] } });
  const [away, invalid] = [4, 2].map((code) => pod({ phase: 'Failed', ...exit(code, { finishedAt: '2030-01-01T11:00:00Z' }) }));
  const stopped = pod({ phase: 'Failed', ...exit(75, { finishedAt: '2030-01-01T11:00:20Z' }) });
  assert.ok(away && invalid);
  assert.deepEqual(only(failed, [stopped, away]).failure, { exitCode: 4, outOfMemory: false, message: 'exit code 4' });
  assert.deepEqual(only(failed, [stopped]).failure, { exitCode: 4, outOfMemory: false, message }, 'also where it is gone');
  const many = job({
    status: { failed: 3, conditions: [{ ...condition('Failed'), reason: 'MaxFailedIndexesExceeded', message: 'many' }] },
  });
  assert.equal(only(many, [invalid, stopped]).failure?.exitCode, 2);
  assert.equal(only(job(), [away, stopped]).failure?.exitCode, 75, 'a Job that goes on is told by its last pod');
});

test('of an Indexed Job, a shard that failed for good tells why, not one that failed once and went on', () => {
  const conditions = [{ ...condition('Failed'), reason: 'FailedIndexes', message: 'Job has failed indexes' }];
  const failed = job({ status: { failed: 2, failedIndexes: '0,2-3', conditions } });
  const pods = [endedShard(3, 2, '2030-01-01T11:00:00Z'), endedShard(1, 1, '2030-01-01T11:00:20Z')];
  assert.equal(only(failed, pods).failure?.exitCode, 2);
});

test('pods that found no store are told apart from those that their Job counts', () => {
  const away = pod({ phase: 'Failed', ...exit(4, {}) });
  const going = job({ status: { failed: 2, conditions: [condition('FailureTarget')] } });
  assert.equal(only(going, [away, away, pod({ phase: 'Failed', ...exit(75, {}) })]).podsWithoutStore, 2);
  const evicted = pod({ phase: 'Failed', ...exit(4, {}), conditions: [TARGET] });
  assert.equal(only(going, [evicted]).podsWithoutStore, undefined, 'nobody counts it');
});

test('a Job of an earlier training of this name is waited for; anyone else in the way is a conflict', () => {
  const former = job({ name: 'x-4', uid: 'job-0' }, 'training-0');
  const orphan = { ...job({ name: 'x-preflight', uid: 'job-9' }), metadata: { name: 'x-preflight', uid: 'job-9' } };
  const seen = observedJobs(listed([job(), former, orphan], [pod({ phase: 'Running' }, { name: 'x-4-abcde', owner: 'job-0' })]));
  assert.deepEqual(
    seen.jobs.map(({ name }) => name),
    ['x-8'],
  );
  assert.deepEqual(seen.conflicts, ['x-preflight']);
  assert.deepEqual(seen.unfinishedPods, ['x-4-abcde', 'x-4']);
});

test('deletion, expiry, task and digest are read from the Job itself', () => {
  const seen = only(job({ deletionTimestamp: NOW, spec: { ttlSecondsAfterFinished: 60 } }), []);
  assert.partialDeepStrictEqual(seen, {
    deleting: true,
    expires: true,
    digest: 'd1',
    task: { kind: 'train', resolution: 8, endImages: 1_800_192 },
  });
  assert.partialDeepStrictEqual(only(job(), []), { deleting: false, expires: false, createdAt: START });
});

test('a Job of ours whose annotation was lost is named, with what to do', () => {
  const bare = { ...job(), metadata: { ...job().metadata, annotations: {} } };
  assert.throws(() => observedJobs(listed([bare], [])), /Job x-8 has no readable annotation pggan[.]dev[/]task.*delete the Job/);
});

test("the preflight's answer is read from the pod of this very object", () => {
  const answer = { version: 'v1', kind: 'preflight', state: 'Complete', images: 600_064, complete: false, time: NOW };
  const check = (owner: string, images: number): Pod =>
    pod(
      { phase: 'Succeeded', ...exit(0, { message: JSON.stringify({ ...answer, images }) }) },
      { owner, labels: { 'app.kubernetes.io/component': 'preflight' } },
    );
  const seen = observedJobs(listed([job()], [check('job-1', 600_064), check('job-0', 1_800_192)]));
  assert.equal(seen.preflight?.images, 600_064);
  assert.equal(observedJobs(listed([job()], [])).preflight, undefined);
});

test('the last word of an ended trainer names its checkpoint as it is called outside of the pod', () => {
  const ended = pod({ phase: 'Failed', ...exit(75, { message: JSON.stringify(PROGRESS) }) });
  assert.equal(lastProgress(listed([job()], [ended]))?.checkpoint?.uri, 'pvc://runs/gan/research/x/checkpoints/000000700000');
});

test('shards are known by their indexes: those that are complete, and what each said last', () => {
  const owner = { kind: 'SynthesisJob', metadata: { name: 'x', namespace: 'research', uid: 'training-1' } } as const;
  const task = JSON.stringify({ kind: 'synthesize', checkpointUri: 's3://pggan/runs/x' });
  const base = job({ status: { completedIndexes: '0-1,3', failed: 0 } });
  const sharded = { ...base, metadata: { ...base.metadata, annotations: { 'pggan.dev/task': task } } };
  const index = { 'batch.kubernetes.io/job-completion-index': '2' };
  const ended = pod({ phase: 'Failed', ...exit(75, { message: JSON.stringify(said(7, '2030-01-01T11:00:00Z')) }) }, { annotations: index });
  const polled = [
    { shard: 2, document: said(5, '2030-01-01T10:59:00Z') },
    { shard: 4, document: said(1, '2030-01-01T10:59:00Z') },
  ];
  const seen = observedShards({ ...listed([sharded], [ended]), owner }, polled);
  assert.deepEqual(seen.completedShards, [0, 1, 3]);
  assert.deepEqual(
    seen.progress.map(({ shard, document }) => [shard, document.done]),
    [
      [2, 7],
      [4, 1],
    ],
  );
});

function endedShard(index: number, code: number, finishedAt: string): Pod {
  const annotations = { 'batch.kubernetes.io/job-completion-index': String(index) };
  return pod({ phase: 'Failed', ...exit(code, { finishedAt }) }, { annotations });
}

function terminating(deletionTimestamp: string): Pod {
  return pod({ phase: 'Running' }, { deletionTimestamp });
}

function said(done: number, time: string) {
  return { version: 'v1', kind: 'synthesis', state: 'Synthesizing', done, wanted: 10, time } as const;
}

function timesOf(observed: Job, pods: readonly Pod[] = []) {
  return only(observed, pods).times;
}

function stateOf(observed: Job, pods: readonly Pod[] = []) {
  return only(observed, pods).state;
}

function failureOf(status: NonNullable<Pod['status']>) {
  const { failure } = only(job(), [pod({ phase: 'Failed', ...status })]);
  assert.ok(failure);
  return failure;
}
