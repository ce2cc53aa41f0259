/** The distance between two sets of descriptors: mean absolute difference of their sorted projections on drawn directions. */
import { setImmediate } from 'node:timers/promises';
import { type DescriptorSet, PATCH_PIXELS } from './descriptors.ts';
import type { PatchDraws } from './patch-draws.ts';
import { project, unitDirections } from './projection.ts';
import { radixSort } from './radix-sort.ts';

export type Directions = {
  /** Resolution of the level. */
  readonly size: number;
  readonly channels: number;
  readonly patchChannels: number;
  readonly repeats: number;
  readonly directionsPerRepeat: number;
};

/** Projections of both sets that are held at a time. */
const PROJECTION_BYTES = 256 * 2 ** 20;

/** Wasserstein-1 distance in one dimension, averaged over all directions of all repeats. Both sets have as many descriptors. */
export async function sortedDistance(a: DescriptorSet, b: DescriptorSet, directions: Directions, draws: PatchDraws): Promise<number> {
  const { size, channels, patchChannels, repeats, directionsPerRepeat } = directions;
  const { count } = a;
  if (b.count !== count) throw new RangeError(`two sets of ${count} and ${b.count} descriptors cannot be compared`);
  const together = Math.min(directionsPerRepeat, Math.max(4, Math.floor(PROJECTION_BYTES / (2 * 4 * count * 4)) * 4));
  const ofA = new Float32Array(together * count);
  const ofB = new Float32Array(together * count);
  const sortedA = new Float32Array(count);
  const sortedB = new Float32Array(count);
  let sum = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const normals = draws.normals(size, repeat, patchChannels * PATCH_PIXELS, directionsPerRepeat);
    const units = unitDirections(normals, directionsPerRepeat, PATCH_PIXELS, channels);
    for (let first = 0; first < directionsPerRepeat; first += together) {
      const block = Math.min(together, directionsPerRepeat - first);
      await projectSet(a, channels, units, first, block, ofA);
      await projectSet(b, channels, units, first, block, ofB);
      for (let k = 0; k < block; k++) {
        radixSort(ofA.subarray(k * count, (k + 1) * count), sortedA);
        radixSort(ofB.subarray(k * count, (k + 1) * count), sortedB);
        sum += meanDifference(sortedA, sortedB);
        await setImmediate();
      }
    }
  }
  return sum / (repeats * directionsPerRepeat);
}

async function projectSet(
  set: DescriptorSet,
  channels: number,
  units: Float64Array,
  first: number,
  block: number,
  into: Float32Array,
): Promise<void> {
  const rowLength = channels * PATCH_PIXELS;
  let offset = 0;
  for await (const rows of set.normalised()) {
    project(rows, rowLength, units, first, block, into, set.count, offset);
    offset += rows.length / rowLength;
    await setImmediate();
  }
}

function meanDifference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}
