/** What synthetic images are drawn from, by index of the image: latent vectors and labels. */
import { PgganError } from '../../crds/errors.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { numpyNormals } from '../data/mt19937.ts';
import { createRandom } from '../train/random.ts';

/**
 * The latent vector of image `index`; indexes come in rising order. The vector depends on kind, seed, truncation, size and index alone, so that
 * shards, restarts and counts change no image. Undefined where `goesOn` said no.
 */
export type Latents = (index: number, goesOn: GoesOn) => Promise<Float32Array | undefined>;

/** Asked between numbers that are drawn for other images: there may be billions, in which the process is alive and may be told to stop. */
export type GoesOn = () => Promise<boolean>;

/** Numbers between two questions whether to go on: some 10 ms. */
const BREATH = 100_000;

/**
 * `RandomState`: row `index` of numpy.random.RandomState(seed).randn(count, size) as float32, which is what the original's scripts draw: one
 * stream, of which a shard draws also what it does not use (some 10 million numbers per second). `Philox`: numbers of its own for each index.
 * With a truncation the same numbers are drawn, and those beyond it are passed over.
 */
export function latentsOf(
  { latents = 'Philox', seed, truncation = Infinity }: Pick<SynthesisRun, 'latents' | 'seed' | 'truncation'>,
  size: number,
): Latents {
  switch (latents) {
    case 'Philox': {
      const random = createRandom(seed);
      const draw = (index: number) => (count: number) => random.normal('synthesis', index, count);
      return async (index) => firstWithin(draw(index), truncation, size);
    }
    case 'RandomState':
      return rowsOf(within(numpyNormals(seed), truncation), size);
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
  let drawn = 0;
  return async (index, goesOn) => {
    const start = index * size;
    if (start < drawn) throw new RangeError(`latents of image ${index} were asked for after those of a later one`);
    while (drawn < start) {
      const until = Math.min(start, drawn + BREATH);
      for (; drawn < until; drawn++) next();
      if (!(await goesOn())) return undefined;
    }
    drawn += size;
    return Float32Array.from({ length: size }, next);
  };
}

/** A stream's numbers whose magnitude is at most `bound`. */
function within(next: () => number, bound: number): () => number {
  return () => {
    for (;;) {
      const value = next();
      if (Math.abs(value) <= bound) return value;
    }
  };
}

/** The first `size` numbers within `bound` of a stream whose longer draws begin with the shorter ones. */
function firstWithin(draw: (count: number) => Float32Array, bound: number, size: number): Float32Array {
  for (let count = size; ; count *= 2) {
    const kept = draw(count).filter((value) => Math.abs(value) <= bound);
    if (kept.length >= size) return kept.subarray(0, size);
  }
}
