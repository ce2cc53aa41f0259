/** The latent vectors of synthetic images, by index of the image. */
import type { SynthesisRun } from '../../crds/run.ts';
import { numpyNormals } from '../data/mt19937.ts';
import { createRandom } from '../train/random.ts';

/**
 * The latent vector of image `index`; indexes come in rising order. The vector depends on kind, seed, size and index alone, so that shards,
 * restarts and counts change no image.
 */
export type Latents = (index: number) => Float32Array;

/**
 * `RandomState`: row `index` of numpy.random.RandomState(seed).randn(count, size) as float32, which is what the original's scripts draw: one
 * stream, of which a shard draws also what it does not use (some 10 million numbers per second). `Philox`: numbers of its own for each index.
 */
export function latentsOf({ latents = 'Philox', seed }: Pick<SynthesisRun, 'latents' | 'seed'>, size: number): Latents {
  switch (latents) {
    case 'Philox': {
      const random = createRandom(seed);
      return (index) => random.normal('synthesis', index, size);
    }
    case 'RandomState':
      return rowsOf(numpyNormals(seed), size);
  }
}

function rowsOf(next: () => number, size: number): Latents {
  let row = 0;
  return (index) => {
    if (index < row) throw new RangeError(`latents of image ${index} were asked for after those of ${row - 1}`);
    for (; row < index; row++) for (let i = 0; i < size; i++) next();
    row += 1;
    return Float32Array.from({ length: size }, next);
  };
}
