/** Every random draw of the sliced Wasserstein distance, behind one interface, so that recorded draws can be replayed. */
import type { Random } from '../train/random.ts';
import { centresAlong, FIRST_CENTRE, type Centres } from './descriptors.ts';
import type { Role } from './metric.ts';

export interface PatchDraws {
  /** Centres of `patches` patches of image number `image` of a set, at the pyramid level of `size` pixels. Levels are asked for finest first. */
  centres(role: Role, size: number, image: number, patches: number): Centres;
  /** Standard normals [axes][count] for the directions of one repeat at one level. */
  normals(size: number, repeat: number, axes: number, count: number): ArrayLike<number>;
}

/**
 * Draws that depend on the seed, the number of the redraw, and what they are for: not on minibatches or on the order of the work. All sets
 * of fakes share their draws, so that two snapshots differ by their images alone.
 */
export function patchDraws(random: Random, redraw = 0): PatchDraws {
  return {
    centres(role, size, image, patches) {
      const numbers = random.integers(`swd/${redraw}/${role}/${size}`, image, 2 * patches, centresAlong(size)).map((n) => n + FIRST_CENTRE);
      return { x: numbers.subarray(0, patches), y: numbers.subarray(patches) };
    },
    normals: (size, repeat, axes, count) => random.normal(`swd/${redraw}/directions/${size}`, repeat, axes * count),
  };
}
