/** plan() in stories: what becomes of a training, and what must never happen to it. The table of states is in operator/states.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plan } from './plan.ts';
import { trainingObject } from './stored.ts';
import { find, progressing, reason, resolutions, statusOf, succeeded, until } from './stories.ts';
import { World } from './world.ts';

test('an undisturbed training runs its preflight, then one Job per resolution in rising order', () => {
  const world = new World();
  until(world, succeeded(world));
  assert.deepEqual(resolutions(world), ['preflight', 4, 8, 16]);
  assert.equal(world.status?.phases.at(-1)?.state, 'Complete');
});

test('a run that the preflight finds half way goes on at the resolution of its images', () => {
  const world = new World();
  world.images = 2000;
  until(world, succeeded(world));
  assert.deepEqual(resolutions(world), ['preflight', 8, 16]);
});

test('a finished run is adopted without any phase Job', () => {
  const world = new World();
  world.images = 6400;
  until(world, succeeded(world));
  assert.deepEqual(resolutions(world), ['preflight']);
});

test('a preflight whose result is gone with its pod is made once more, and waits for a person the second time', () => {
  const world = new World();
  world.forgetful = true;
  until(world, () => world.created.length === 2);
  world.forgetful = false;
  until(world, succeeded(world));
  assert.deepEqual(resolutions(world), ['preflight', 'preflight', 4, 8, 16]);

  const forgetful = new World();
  forgetful.forgetful = true;
  until(forgetful, () => reason(forgetful) !== undefined);
  assert.equal(reason(forgetful), 'PreflightUnreadable');
  assert.deepEqual(resolutions(forgetful), ['preflight', 'preflight']);
});

test('raising totalKimg runs the last phase again, from where it ended', () => {
  const world = new World();
  until(world, succeeded(world));
  world.edit({ totalKimg: 9 });
  until(world, succeeded(world));
  assert.deepEqual(resolutions(world), ['preflight', 4, 8, 16, 16]);
  assert(world.images >= 9000);
});

test('a pod that was evicted counts as an attempt also when it is gone', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.end(75);
  world.reconcile();
  const [job] = world.jobs.filter(({ task }) => task.kind === 'train');
  assert.ok(job);
  job.podsEnded = 0;
  world.tick();
  world.reconcile();
  assert.ok(job.pod);
  assert.equal(world.status?.phases[0]?.attempts, 2);
});

test('failures that are forgiven by a retry leave the whole budget of restarts again', () => {
  const world = new World({ maxRestarts: 2 });
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.images = 200;
  world.listen(true);
  for (let failure = 0; failure < 3; failure += 1) {
    until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
    world.images += 1;
    world.reconcile();
    world.end(1);
    world.reconcile();
  }
  assert.equal(reason(world), 'MaxRestartsExceeded');
  world.retry('again');
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.state === 'active'));
  assert.equal(world.jobs.find((job) => job.state === 'active')?.backoffLimit, 2);
  assert.equal(world.status?.failures, 3);
});

test('a read that still shows the failed Job after a retry does not stall the training again', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.end(2);
  world.reconcile();
  assert.equal(reason(world), 'Invalid');
  const stale = world.observe();
  world.retry('1');
  world.reconcile();
  const again = plan(world.training, stale, world.now);
  assert.equal(find(again.status.conditions, 'Stalled'), undefined);
  assert.deepEqual(
    again.actions.map((action) => action.kind),
    ['deleteJob'],
  );
});

test('an edit of another resolution leaves a stalled phase stalled, one of its own resolution starts it again', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.end(3);
  world.reconcile();
  assert.equal(reason(world), 'DoesNotFit');
  world.edit({ phases: [{ resolution: 16, template: { priorityClassName: 'high' } }] });
  world.reconcile();
  assert.equal(reason(world), 'DoesNotFit');
  world.edit({ phases: [{ resolution: 4, template: { resources: { limits: { memory: '8Gi' } } } }] });
  until(world, succeeded(world));
});

test('an edit reaches a Job that waits for its queue or for a pod, or was suspended, and leaves one that runs alone', () => {
  const world = new World({ queue: { name: 'gppu' } });
  world.reconcile();
  world.edit({ queue: { name: 'gpu' } });
  until(world, () => world.created.length === 2);
  assert.deepEqual(resolutions(world), ['preflight', 'preflight']);

  const unplaced = new World();
  unplaced.refusedSince = unplaced.now.toISOString();
  unplaced.reconcile();
  unplaced.edit({ template: { nodeSelector: { pool: 'there-is-one' } } });
  until(unplaced, () => unplaced.created.length === 2);
  unplaced.refusedSince = undefined;

  until(unplaced, () => unplaced.jobs.some((job) => job.task.kind === 'train' && job.pod));
  unplaced.edit({ template: { nodeSelector: { pool: 'another' } } });
  unplaced.reconcile();
  assert.deepEqual(unplaced.last?.actions, [], 'it would lose what it has trained since its last checkpoint');
  unplaced.edit({ suspend: true });
  for (let round = 0; round < 3; round += 1) {
    unplaced.reconcile();
    unplaced.tick();
  }
  assert.deepEqual(resolutions(unplaced), ['preflight', 'preflight', 4]);
  unplaced.edit({ suspend: false });
  until(unplaced, succeeded(unplaced));
  assert.deepEqual(resolutions(unplaced), ['preflight', 'preflight', 4, 4, 8, 16]);
});

test('a stalled training stays stalled when its failed Job expires', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.end(2);
  for (let round = 0; round < 3; round += 1) world.reconcile();
  world.expire();
  assert.deepEqual(
    world.jobs.filter((job) => job.task.kind === 'train'),
    [],
  );
  until(world, () => reason(world) === 'Invalid');
  assert.deepEqual(resolutions(world), ['preflight', 4]);
});

test('a condition keeps its transition time for as long as its status does', () => {
  const world = new World();
  until(world, () => world.status?.phases[0]?.state === 'Running');
  const before = find(world.status?.conditions ?? [], 'Ready');
  world.tick(100);
  world.reconcile();
  assert.equal(find(world.status?.conditions ?? [], 'Ready')?.lastTransitionTime, before?.lastTransitionTime);
  world.end(2);
  world.reconcile();
  assert.notEqual(find(world.status?.conditions ?? [], 'Ready')?.lastTransitionTime, before?.lastTransitionTime);
});

test('a fresh document whose images stand still past the deadline is a stall, an old one is not', () => {
  const world = new World();
  world.listen(true);
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  const seen = world.observe();
  assert(seen.progress);
  const unmovedSince = new Date(world.now.getTime() - 3_600_000).toISOString();
  const stands = plan(world.training, { ...seen, progress: { ...seen.progress, unmovedSince } }, world.now);
  assert.equal(find(stands.status.conditions, 'Stalled')?.reason, 'NoProgress');
  const silent = plan(world.training, { ...seen, progress: { ...seen.progress, fresh: false, unmovedSince } }, world.now);
  assert.equal(find(silent.status.conditions, 'Stalled'), undefined);
});

test('a trainer that waits for room says why; it is a stall after the deadline only, and never one for want of progress', () => {
  const world = new World();
  world.listen(true);
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  const seen = world.observe();
  assert(seen.progress);
  const waits = (seconds: number) => {
    const since = new Date(world.now.getTime() - seconds * 1000).toISOString();
    const document = { ...seen.progress!.document, waiting: { code: 'StoreFull', message: 'no room left', since } };
    return plan(world.training, { ...seen, progress: { ...seen.progress!, document, unmovedSince: since } }, world.now).status.conditions;
  };
  assert.deepEqual(
    [find(waits(10), 'Progressing')?.reason, find(waits(10), 'Ready')?.status, find(waits(10), 'Stalled')],
    ['StoreFull', 'True', undefined],
  );
  assert.match(find(waits(10), 'Progressing')?.message ?? '', /^no room left; training waits, and goes on by itself$/);
  assert.equal(find(waits(1_000_000), 'Stalled')?.reason, 'StoreFull');
});

test('a pod that was told to end is looked at again when its node counts as lost: no event would tell', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  const terminatingPods = [{ name: 'x-4-pod', lostAt: new Date(world.now.getTime() + 75_000).toISOString() }];
  const { status, lookAgainSeconds } = plan(world.training, { ...world.observe(), terminatingPods }, world.now);
  assert.deepEqual([find(status.conditions, 'Progressing')?.reason, lookAgainSeconds], ['Training', 75]);
});

test('a pod of an earlier Job on a lost node is named with what to do, and waits for a person after the deadline', () => {
  const world = new World();
  world.foreignPods = ['x-preflight-abcde'];
  world.lostSince = world.now.toISOString();
  world.reconcile();
  const { message, reason: why } = find(world.status?.conditions ?? [], 'Reconciling') ?? {};
  assert.equal(why, 'NodeLost');
  assert.match(
    message ?? '',
    /^The node of pod x-preflight-abcde is gone: delete the node, or the pod by force once the node is surely off$/,
  );
  assert.equal(world.last?.lookAgainSeconds, 3600);
  world.seconds += 3600;
  world.reconcile();
  assert.equal(reason(world), 'NodeLost');
  world.lostSince = undefined;
  world.foreignPods = [];
  until(world, succeeded(world));
});

test('after a crash the next processes find the run taken until its lease has run out: that is no third end in a row', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.end(139);
  for (let wait = 0; wait < 6; wait += 1) {
    world.reconcile();
    world.tick();
    world.endTaken();
  }
  world.reconcile();
  assert.deepEqual([progressing(world), statusOf(world, 'Stalled'), world.status?.failures], ['RunOwned', undefined, 1]);
  until(world, succeeded(world));
});

test('a training that adopts a run knows its newest checkpoint, so that images can be drawn from it', () => {
  const world = new World();
  world.images = 7000;
  until(world, succeeded(world));
  assert.deepEqual(world.created, [{ kind: 'preflight' }]);
  assert.equal(world.status?.checkpoint?.images, 7000);
});

test('suspension asks the Job, not the spec, whether a queue would undo it', () => {
  const world = new World({ queue: { name: 'gpu' } });
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.edit({ queue: undefined, suspend: true });
  assert.deepEqual(
    world.reconcile().actions.map(({ kind }) => kind),
    ['deleteJob'],
  );
});

test('a training that is deleted says of its end and of its spec what it said before', () => {
  const done = new World();
  until(done, succeeded(done));
  const failed = new World();
  until(failed, () => failed.jobs.some((job) => job.task.kind === 'train' && job.pod));
  failed.end(2);
  failed.reconcile();
  const invalid = new World({ totalKimg: 2 });
  invalid.reconcile();
  for (const world of [done, failed, invalid]) {
    const before = [statusOf(world, 'Accepted'), statusOf(world, 'Succeeded')];
    world.delete();
    world.reconcile();
    assert.deepEqual([statusOf(world, 'Accepted'), statusOf(world, 'Succeeded')], before);
    assert.equal(find(world.status?.conditions ?? [], 'Ready')?.reason, 'Deleting');
  }
});

test('an edit that no training can follow is refused in its status, and what another writer told there is left to that writer', () => {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.edit({ phases: [{ resolution: 16, microbatch: 7 }] });
  const stored = { metadata: world.training.metadata, spec: world.training.spec, status: { ...world.status, progress: { resolution: 4 } } };
  const { status } = plan(trainingObject(stored), world.observe(), world.now);
  assert.equal(find(status.conditions, 'Stalled')?.reason, 'InvalidSpec');
  assert.ok(!('progress' in status));
});
