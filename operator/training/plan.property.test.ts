/** plan() against a model of a cluster in which anything may fail at any moment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isTrue } from '../kube/conditions.ts';
import { World } from './world.ts';

type Event =
  | { readonly kind: 'pass'; readonly ticks: number }
  | { readonly kind: 'end'; readonly exitCode: number; readonly outOfMemory: boolean }
  | {
      readonly kind:
        | 'suspend'
        | 'resume'
        | 'extend'
        | 'retry'
        | 'expire'
        | 'removeJob'
        | 'lostStatus'
        | 'lostActions'
        | 'foreignPod'
        | 'relabel'
        | 'staleRead';
    };

const plain = [
  'suspend',
  'resume',
  'extend',
  'retry',
  'expire',
  'removeJob',
  'lostStatus',
  'lostActions',
  'foreignPod',
  'relabel',
  'staleRead',
] as const;
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ticks: fc.integer({ min: 1, max: 8 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('end' as const), exitCode: fc.constantFrom(1, 2, 3, 4, 75, 137), outOfMemory: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom(...plain) }) },
);
const queues = fc.constantFrom({}, { queue: { name: 'gpu' } });

function happen(world: World, what: Event, round: number): void {
  switch (what.kind) {
    case 'pass':
      for (let tick = 0; tick < what.ticks; tick += 1) {
        world.tick();
        world.reconcile();
      }
      return;
    case 'end':
      world.end(what.exitCode, what.outOfMemory);
      return;
    case 'suspend':
    case 'resume':
      world.edit({ suspend: what.kind === 'suspend' });
      return;
    case 'extend':
      world.edit({ totalKimg: world.training.spec.totalKimg + 1 });
      return;
    case 'retry':
      world.retry(`r${round}`);
      return;
    case 'expire':
      world.expire();
      return;
    case 'removeJob':
      world.removeJob();
      return;
    case 'lostStatus':
      world.reconcile('status');
      return;
    case 'lostActions':
      world.reconcile('actions');
      return;
    case 'foreignPod':
      world.foreignPods = world.foreignPods.length > 0 ? [] : ['x-4-of-another-uid'];
      return;
    case 'relabel':
      world.edit({ template: { labels: { round: String(round) } } });
      return;
    case 'staleRead':
      world.listen(round % 2 === 0);
  }
}

/** What holds after every round, whatever happened. Two Jobs, a way back and a second run of a complete phase throw inside the world. */
function check(world: World, before: { readonly succeeded: boolean; readonly totalKimg: number }): void {
  const { status } = world;
  assert(status);
  const types = status.conditions.map((condition) => condition.type);
  assert.equal(new Set(types).size, types.length);
  assert(!(isTrue(status.conditions, 'Stalled') && isTrue(status.conditions, 'Reconciling')));
  assert.equal(isTrue(status.conditions, 'Ready'), !isTrue(status.conditions, 'Stalled'));
  assert.equal(isTrue(status.conditions, 'Suspended'), world.training.spec.suspend);
  for (const condition of status.conditions) {
    if (condition.type === 'Stalled' || condition.type === 'Reconciling') assert.equal(condition.status, 'True');
    assert.match(condition.reason, /^[A-Z][A-Za-z]+$/);
    assert.notEqual(condition.message, '');
  }
  const waits = world.jobs.some((job) => job.state === 'failed' && !job.deleting && job.failure?.exitCode !== 4);
  if (waits) assert(isTrue(status.conditions, 'Stalled') || isTrue(status.conditions, 'Reconciling') || world.training.spec.suspend);
  assert(status.disruptions <= world.disruptions && status.outOfMemory <= world.outOfMemory, 'a pod was counted twice');
  const { totalKimg } = world.training.spec;
  if (before.succeeded && totalKimg === before.totalKimg) assert(isTrue(status.conditions, 'Succeeded'), 'Succeeded did not stick');
}

test('whatever fails, is edited or deleted: one Job at a time, never back, Succeeded sticks, and conditions agree with one another', () => {
  const property = fc.property(queues, fc.array(event, { maxLength: 40 }), (spec, events) => {
    const world = new World(spec);
    world.reconcile();
    for (const [round, what] of events.entries()) {
      const before = { succeeded: isTrue(world.status?.conditions, 'Succeeded'), totalKimg: world.training.spec.totalKimg };
      happen(world, what, round);
      world.reconcile();
      check(world, before);
    }
  });
  fc.assert(property, { numRuns: 400 });
});

test('once the failures end and a person answers, a training succeeds within a bounded number of rounds', () => {
  const property = fc.property(queues, fc.array(event, { maxLength: 25 }), (spec, events) => {
    const world = new World(spec);
    for (const [round, what] of events.entries()) {
      happen(world, what, round);
      world.reconcile();
    }
    world.foreignPods = [];
    world.edit({ suspend: false });
    world.retry('last');
    const kimg = world.training.spec.totalKimg;
    for (let round = 0; round < 60 + 4 * kimg && !isTrue(world.status?.conditions, 'Succeeded'); round += 1) {
      world.tick(60);
      world.reconcile();
    }
    assert(isTrue(world.status?.conditions, 'Succeeded'), JSON.stringify(world.status?.conditions));
    assert.equal(world.status?.progressPercent, 100);
  });
  fc.assert(property, { numRuns: 300 });
});

test('the same world planned twice gives the same status and asks for nothing that is not asked for already', () => {
  const property = fc.property(queues, fc.array(event, { maxLength: 25 }), (spec, events) => {
    const world = new World(spec);
    for (const [round, what] of events.entries()) {
      happen(world, what, round);
      world.reconcile();
      const first = world.reconcile();
      const jobs = world.jobs.length;
      const second = world.reconcile();
      assert.equal(world.jobs.length, jobs);
      assert.deepEqual(second.status, first.status);
    }
  });
  fc.assert(property, { numRuns: 200 });
});
