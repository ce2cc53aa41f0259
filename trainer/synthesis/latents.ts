/** What synthetic images are drawn from, by index of the image: latent vectors and labels. */
import { PgganError } from '../../crds/errors.ts';
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

/** The class of image `index`; undefined for a network without labels. */
export type Labels = (index: number) => number | undefined;

/** The class that was asked for, else the classes in turn. @throws {PgganError} OptionsInvalid for a class that the network does not have */
export function labelsOf({ label }: Pick<SynthesisRun, 'label'>, labelSize: number): Labels {
  if (label === undefined) return (index) => (labelSize > 0 ? index % labelSize : undefined);
  if (label < labelSize) return () => label;
  const has = labelSize === 0 ? 'was trained without labels' : `has ${labelSize} classes, 0 to ${labelSize - 1}`;
  throw new PgganError('OptionsInvalid', `spec.label is ${label}, but the network ${has}`);
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
