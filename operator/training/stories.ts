/** For stories about a World: rounds until something has come about, and what its conditions say. */
import assert from 'node:assert/strict';
import type { Condition } from '../kube/conditions.ts';
import type { World } from './world.ts';

export const find = (conditions: readonly Condition[], type: string): Condition | undefined =>
  conditions.find((condition) => condition.type === type);

/** Rounds of cluster and operator until `done`, or the test fails. */
export function until(world: World, done: () => boolean, seconds = 10): void {
  for (let round = 0; round < 100; round += 1) {
    world.reconcile();
    if (done()) return;
    world.tick(seconds);
  }
  assert.fail('never came about');
}

export const resolutions = (world: World): readonly (number | string)[] =>
  world.created.map((task) => (task.kind === 'train' ? task.resolution : task.kind));
export const succeeded = (world: World) => (): boolean => find(world.status?.conditions ?? [], 'Succeeded')?.status === 'True';
export const reason = (world: World): string | undefined => find(world.status?.conditions ?? [], 'Stalled')?.reason;

export const progressing = (world: World): string | undefined => find(world.status?.conditions ?? [], 'Progressing')?.reason;
export const statusOf = (world: World, type: string): string | undefined => find(world.status?.conditions ?? [], type)?.status;
