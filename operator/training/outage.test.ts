/** plan() in stories of a store that is away: when it is tried again, when that waits for a person, and when it is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Plan, plan } from './plan.ts';
import { progressing, reason, statusOf, succeeded, until } from './stories.ts';
import { World } from './world.ts';

test('an unreachable store is tried again after 30 s, then ever later up to 10 minutes, and counts no failure', () => {
  const world = new World({ progressDeadlineSeconds: 7200 });
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  const delays: number[] = [];
  for (let outage = 0; outage < 9; outage += 1) {
    world.end(4);
    delays.push(world.reconcile().lookAgainSeconds ?? Number.NaN);
    world.seconds += delays.at(-1) ?? 0;
    world.reconcile();
    world.tick(0);
    world.reconcile();
    world.tick(0);
  }
  assert.deepEqual(delays.slice(0, 6), [30, 30, 60, 120, 240, 480]);
  assert.equal(delays.at(-1), 600);
  assert.equal(world.status?.failures, 0);
});

/** A training whose first phase has found no store, for as long as its deadline. */
function outOfReach(): World {
  const world = new World();
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.end(4);
  world.reconcile();
  world.seconds += 3600;
  return world;
}

test('what holds a training up for now has not failed it, however long it takes', () => {
  const world = outOfReach();
  world.reconcile();
  assert.deepEqual([reason(world), statusOf(world, 'Succeeded')], ['StoreUnavailable', 'Unknown']);
  world.tick();
  until(world, succeeded(world));
});

test('an outage beyond the deadline stays told while new Jobs try again, and ends when one of them has trained', () => {
  const world = outOfReach();
  const told = new Set<string>();
  const failed = world.jobs.at(-1)?.uid;
  until(world, () => {
    told.add(`${reason(world)} ${statusOf(world, 'Stalled')}`);
    return world.jobs.some(({ uid, pod }) => pod && uid !== failed);
  });
  assert.deepEqual([...told], ['StoreUnavailable True'], 'while the Job is replaced and its pod starts');
  world.end(4);
  world.reconcile();
  assert.equal(statusOf(world, 'Stalled'), 'True');
  world.listen(true);
  until(world, () => statusOf(world, 'Stalled') === undefined);
  assert.equal(statusOf(world, 'Succeeded'), 'Unknown');
  until(world, succeeded(world));
});

/** Of the second phase. */
const outage = ({ status }: Plan) => status.phases.find(({ resolution }) => resolution === 8)?.storeFailure;

test('an outage goes on while a document of an earlier phase is all there is, and ends when a process of its own phase is at work', () => {
  const world = new World();
  world.listen(true);
  until(world, () => world.jobs.some(({ task, pod }) => task.kind === 'train' && task.resolution === 8 && pod));
  world.listen(false);
  world.end(4);
  world.reconcile();
  world.seconds += 40;
  world.reconcile();
  world.tick();
  world.reconcile();
  world.tick();
  assert.ok(outage(world.reconcile()));
  world.listen(true);
  const seen = world.observe();
  assert(seen.progress);
  const { document } = seen.progress;
  const told = (change: Partial<typeof document>, fresh: boolean) =>
    outage(plan(world.training, { ...seen, progress: { ...seen.progress!, fresh, document: { ...document, ...change } } }, world.now));
  assert.ok(told({ resolution: 4, images: document.images + 1 }, false), 'the last word of the phase before');
  assert.ok(told({ images: 0, state: 'Starting' }, true), 'its own process, which has not opened its run yet');
  assert.equal(told({ images: 0, state: 'Training' }, true), undefined);
});

test('a pod that answers nobody but has run for ten minutes has reached its store', () => {
  const world = outOfReach();
  until(world, () => world.jobs.some(({ pod }) => pod));
  assert.equal(reason(world), 'StoreUnavailable');
  const { lookAgainSeconds = 0 } = world.reconcile();
  assert.ok(lookAgainSeconds > 0 && lookAgainSeconds <= 600);
  world.seconds += 600;
  world.reconcile();
  assert.deepEqual([progressing(world), statusOf(world, 'Ready')], ['Training', 'True']);
});
