/** plan() in stories of trainings that are deleted with their run folders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plan } from './plan.ts';
import { find, until } from './stories.ts';
import { World } from './world.ts';

/** Deleted with DeleteRun in its first phase. */
function trainedAndDeleted(): World {
  const world = new World({ deletionPolicy: 'DeleteRun' });
  until(world, () => world.jobs.some((job) => job.task.kind === 'train' && job.pod));
  world.delete();
  return world;
}

test('DeleteRun deletes the run folder only after the last process has ended, and lets the object go after that', () => {
  const world = trainedAndDeleted();
  world.reconcile();
  assert.equal(world.deletionName, undefined);
  until(world, () => world.gone);
  assert(world.runDeleted);
  assert.equal(world.deletionName, 'x-del-u');
});

test('a run folder that cannot be deleted is tried again every minute, and given up when the policy is changed to Retain', () => {
  const world = trainedAndDeleted();
  world.deletionFailure = { exitCode: 4, outOfMemory: false, message: 'no such bucket' };
  until(world, () => world.deletion?.state.kind === 'failed');
  const first = world.deletion?.uid;
  world.reconcile();
  assert.match(
    find(world.status?.conditions ?? [], 'Progressing')?.message ?? '',
    /^The run folder is still there: no such bucket; .* set spec.deletionPolicy to Retain$/,
  );
  until(world, () => world.deletion !== undefined && world.deletion.uid !== first);
  assert(!world.gone && !world.runDeleted);
  world.edit({ deletionPolicy: 'Retain' });
  until(world, () => world.gone);
  assert(!world.runDeleted);
});

test("another training's run folder is left alone, and the training goes with a word about it", () => {
  const world = trainedAndDeleted();
  world.deletionFailure = { exitCode: 2, outOfMemory: false, message: 'it belongs to another' };
  until(world, () => world.gone);
  assert.deepEqual(world.last?.actions, [{ kind: 'release', kept: 'it belongs to another' }]);
  assert(!world.runDeleted);
});

test('a training that never passed its preflight has written nothing that would have to be deleted', () => {
  const world = new World({ deletionPolicy: 'DeleteRun' });
  world.reconcile();
  world.delete();
  until(world, () => world.gone);
  assert.equal(world.deletionName, undefined);
});

test('what the server says to the Job of the deletion is told', () => {
  const world = trainedAndDeleted();
  until(world, () => world.jobs.length === 0);
  const { runDeletion: _, ...seen } = world.observe();
  const { status, actions } = plan(world.training, { ...seen, runDeletionRefused: 'exceeded quota' }, world.now);
  assert.match(find(status.conditions, 'Progressing')?.message ?? '', /exceeded quota/);
  assert.deepEqual(actions, [{ kind: 'deleteRun', name: 'x-del-u' }]);
});
