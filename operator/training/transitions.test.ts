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
  { state: 'Invalid', reason: 'InvalidSpec', note: /totalKimg/ },
  { state: 'Exit 2', reason: 'Stalled', note: /^Invalid: / },
  { state: 'Exit 3', reason: 'Stalled', note: /^DoesNotFit: / },
  { state: 'Exit 4', reason: 'StoreUnavailable', note: /trying again/ },
  { state: 'Exit 4 for long', reason: 'Stalled', note: /^StoreUnavailable: / },
  { state: 'Out of memory', reason: 'Stalled', note: /^OutOfMemory: .*microbatch/ },
  { state: 'Out of memory', reason: 'OutOfMemory', note: /3 so far.*microbatch/ },
  { state: 'No headway', reason: 'Stalled', note: /^NoProgress: / },
  { state: 'Restarts spent', reason: 'Stalled', note: /^MaxRestartsExceeded: / },
  { state: 'Refused', reason: 'Stalled', note: /^JobRefused: .*exceeded quota/ },
  { state: 'Name conflict', reason: 'Stalled', note: /^NameConflict: / },
] as const;

for (const { state, reason, note } of ENDS) {
  test(`${state}: a warning ${reason} that says what to do`, () => {
    const status = STATES.find((example) => example.state === state)?.world().status;
    assert.ok(status);
    const warnings = happenings(undefined, status).filter((happening) => happening.reason === reason);
    assert.equal(warnings.length, 1, JSON.stringify(happenings(undefined, status)));
    assert.equal(warnings[0]?.type, 'Warning');
    assert.match(warnings[0]?.note ?? '', note);
    assert.deepEqual(reasonsOf(status, status), []);
  });
}

test('a spec that can never run is told under one name', () => {
  const status = STATES.find((example) => example.state === 'Invalid')?.world().status;
  assert.deepEqual(status && reasonsOf(undefined, status), ['InvalidSpec']);
});

test('an outage of the store is told once, however often it is tried in vain, and so is what goes on after it', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  const told: string[] = [];
  for (let tries = 0; tries < 3; tries += 1) {
    world.end(4);
    for (let tick = 0; tick < 80 && (tick === 0 || !intoFirstPhase(world)()); tick += 1) {
      told.push(...round(world));
      world.tick();
    }
  }
  assert.deepEqual(
    told.filter((reason) => reason !== 'TrainingResumed'),
    ['StoreUnavailable'],
  );
  assert.deepEqual([...told, ...round(world)].filter((reason) => reason === 'TrainingResumed').length, 3, told.join());
});

test('every pod that is killed for want of memory is told, before that stalls anything', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  for (let kill = 0; kill < 2; kill += 1) {
    world.end(137, true);
    assert.deepEqual(round(world), ['PodFailed', 'OutOfMemory']);
    world.tick();
    assert.deepEqual(round(world), ['TrainingResumed']);
  }
});

test('a lost node is told when it is noticed, and again by its own name and as a stall where it is noticed late', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  const before = world.status ?? assert.fail();
  const lost = (kind: 'Reconciling' | 'Stalled'): TrainingStatus => ({
    ...before,
    conditions: ['Progressing', kind].map((type) => ({
      type,
      status: type === 'Progressing' ? 'False' : 'True',
      reason: 'NodeLost',
      message: 'delete the node',
      lastTransitionTime: '2030-01-01T00:00:00Z',
      observedGeneration: 1,
    })),
  });
  assert.deepEqual(reasonsOf(before, lost('Reconciling')), ['NodeLost']);
  assert.deepEqual(reasonsOf(lost('Reconciling'), lost('Stalled')), ['Stalled']);
  assert.deepEqual(reasonsOf(before, lost('Stalled')), ['NodeLost', 'Stalled']);
});

test('the end of a phase names its checkpoint, and its start is told also where nobody looked between the two', () => {
  const world = new World();
  world.listen(true);
  rounds(world, intoFirstPhase(world));
  const before = world.status;
  while (world.status?.phases[0]?.state !== 'Complete') {
    world.tick();
    world.reconcile();
  }
  const after = world.status;
  const completed = happenings(before, after).find(({ reason }) => reason === 'PhaseCompleted');
  assert.match(completed?.note ?? '', /^4x4 is complete after \d+ images; checkpoint s3:[/][/]c[.]$/);
  assert.deepEqual(reasonsOf(undefined, after).slice(0, 2), ['PhaseStarted', 'PhaseCompleted']);
});

test('a retry that answers a stall is told as a recovery', () => {
  const world = new World();
  rounds(world, intoFirstPhase(world));
  world.end(2);
  assert.ok(round(world).includes('Stalled'));
  world.retry('1');
  assert.deepEqual(round(world), ['Recovered']);
});

for (const spec of [{}, { queue: { name: 'gpu' } }])
  test(`suspending and going on are told, and so is the process that goes on; ${spec.queue ? 'in' : 'without'} a queue`, () => {
    const world = new World(spec);
    rounds(world, intoFirstPhase(world));
    world.edit({ suspend: true });
    assert.deepEqual(round(world), ['Suspended']);
    for (let tick = 0; tick < 3; tick += 1) {
      world.tick();
      assert.deepEqual(round(world), []);
    }
    world.edit({ suspend: false });
    assert.deepEqual(rounds(world, intoFirstPhase(world)), ['Unsuspended', 'TrainingResumed']);
    assert.equal(world.status?.phases[0]?.attempts, 2);
    assert.deepEqual(round(world), []);
  });

test('a Job that its queue preempts and admits again costs a resume and no failure', () => {
  const world = new World({ queue: { name: 'gpu' } });
  rounds(world, intoFirstPhase(world));
  const job = world.job ?? assert.fail();
  job.state = 'queued';
  job.pod = false;
  assert.deepEqual(round(world), []);
  assert.deepEqual(rounds(world, intoFirstPhase(world)), ['TrainingResumed']);
  assert.partialDeepStrictEqual(world.status, { failures: 0, phases: [{ resolution: 4, attempts: 2, state: 'Running' }] });
});
