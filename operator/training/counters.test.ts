import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Counters, countFates } from './counters.ts';
import type { PodFate } from './observed.ts';
import { World } from './world.ts';

const fate = (at: number, disrupted: boolean, outOfMemory: boolean): PodFate => ({
  uid: `pod-${at}`,
  createdAt: new Date(Date.UTC(2030, 0, 1) + at * 60_000).toISOString(),
  disrupted,
  outOfMemory,
});

test('each pod is counted once, however often and in whatever company it is seen, also by another operator', () => {
  const ends = fc.array(
    fc.record({ disrupted: fc.boolean(), outOfMemory: fc.boolean(), gone: fc.nat({ max: 3 }), looks: fc.nat({ max: 2 }) }),
    {
      maxLength: 120,
    },
  );
  fc.assert(
    fc.property(ends, (all) => {
      let visible: readonly PodFate[] = [];
      let counters: Counters | undefined;
      for (const [at, { disrupted, outOfMemory, gone, looks }] of all.entries()) {
        visible = [...visible.slice(gone), fate(at, disrupted, outOfMemory)];
        for (let look = 0; look <= looks; look += 1) {
          // What another operator knows is what the API server has kept.
          counters = JSON.parse(JSON.stringify(countFates(counters, look === 1 ? visible.toReversed() : visible))) as Counters;
        }
        assert.ok((counters?.countedPods?.length ?? 0) <= 32);
      }
      assert.equal(counters?.disruptions ?? 0, all.filter(({ disrupted }) => disrupted).length);
      assert.equal(counters?.outOfMemory ?? 0, all.filter(({ outOfMemory }) => outOfMemory).length);
    }),
  );
});

test('an unchanged world is an unchanged status, and a pod that an outdated view shows again is known', () => {
  const fates = [fate(1, true, false), fate(2, false, true), fate(2.5, false, false)];
  const counters = countFates(undefined, fates);
  assert.deepEqual(counters, { disruptions: 1, outOfMemory: 1, countedPods: ['pod-2.5', 'pod-2', 'pod-1'] });
  assert.deepEqual(countFates(counters, fates), counters);
  assert.deepEqual(countFates(countFates(counters, []), fates), counters);
  assert.deepEqual(countFates(undefined, []), { disruptions: 0, outOfMemory: 0 });
});

test('a training counts its stops unasked and its kills for want of memory, whatever writes of its status are lost', () => {
  const world = new World();
  const intoFirstPhase = () => world.jobs.some((job) => job.task.kind === 'train' && job.pod);
  for (let tick = 0; tick < 9 && !intoFirstPhase(); tick += 1) {
    world.reconcile();
    world.tick();
  }
  world.end(75);
  world.reconcile('status');
  world.reconcile();
  world.tick();
  world.end(137, true);
  world.reconcile();
  world.reconcile();
  assert.deepEqual([world.status?.disruptions, world.status?.outOfMemory, world.status?.failures], [1, 1, 1]);
});
