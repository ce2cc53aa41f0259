/** What a person is told of a training, from the model world of plan(). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATES } from './states.ts';
import type { TrainingStatus } from './status.ts';
import { happenings } from './transitions.ts';
import { World } from './world.ts';

const reasonsOf = (before: TrainingStatus | undefined, after: TrainingStatus): readonly string[] =>
  happenings(before, after).map(({ reason }) => reason);

/** One round, and what it tells. */
function round(world: World): readonly string[] {
  const before = world.status;
  world.reconcile();
  const after = world.status;
  return after ? reasonsOf(before, after) : [];
}

function rounds(world: World, until: () => boolean): readonly string[] {
  const told: string[] = [];
  for (let tick = 0; tick < 80 && !until(); tick += 1) {
    told.push(...round(world));
    world.tick();
  }
  return [...told, ...round(world)];
}

const intoFirstPhase = (world: World) => () => world.jobs.some((job) => job.task.kind === 'train' && job.pod);

test('a whole run tells of the start and the end of each phase, in order, and of its success, once each', () => {
  const world = new World();
  const told = rounds(world, () => world.status?.progressPercent === 100);
  assert.deepEqual(told, [4, 8, 16].flatMap(() => ['PhaseStarted', 'PhaseCompleted']).concat('Succeeded'));
  assert.deepEqual(round(world), []);
});

test('a run that was found complete tells that it was adopted, and of no start', () => {
  const world = new World();
  world.images = 7000;
  const told = rounds(world, () => world.status?.progressPercent === 100);
  assert.deepEqual(told, ['PhaseAdopted', 'PhaseAdopted', 'PhaseAdopted', 'Succeeded']);
});

test('a pod that fails is told once, and so is the process that goes on after it', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  world.end(1);
  assert.deepEqual(round(world), ['PodFailed']);
  world.tick();
  assert.deepEqual(round(world), ['TrainingResumed']);
  assert.deepEqual(round(world), []);
});

const ENDS = [
  { state: 'Invalid', reason: 'InvalidSpec' },
  { state: 'Exit 2', reason: 'Invalid' },
  { state: 'Exit 3', reason: 'DoesNotFit' },
  { state: 'Exit 4', reason: 'StoreUnavailable' },
  { state: 'Out of memory', reason: 'OutOfMemory' },
  { state: 'No headway', reason: 'NoProgress' },
  { state: 'Restarts spent', reason: 'MaxRestartsExceeded' },
  { state: 'Name conflict', reason: 'NameConflict' },
];

for (const { state, reason } of ENDS) {
  test(`${state}: a warning ${reason} that says what to do`, () => {
    const status = STATES.find((example) => example.state === state)?.world().status;
    assert.ok(status);
    const warnings = happenings(undefined, status).filter((happening) => happening.reason === reason);
    assert.equal(warnings.length, 1, JSON.stringify(happenings(undefined, status)));
    assert.equal(warnings[0]?.type, 'Warning');
    assert.notEqual(warnings[0]?.note, '');
    assert.deepEqual(reasonsOf(status, status), []);
  });
}

test('a retry that answers a stall is told as a recovery', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  world.end(2);
  assert.ok(round(world).includes('Invalid'));
  world.retry('1');
  assert.deepEqual(round(world), ['Recovered']);
});

test('suspending and going on are told', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  world.edit({ suspend: true });
  assert.deepEqual(round(world), ['Suspended']);
  world.edit({ suspend: false });
  assert.deepEqual(round(world), ['Unsuspended']);
});
