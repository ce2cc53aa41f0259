/** Patch descriptors of one pyramid level of a set of images: 7x7 patches around drawn centres, with the set's mean and spread per channel. */
import { createRowStore, type RowPlace, type RowStore } from './row-store.ts';

/** Patches are 7x7 pixels (Karras et al. 2018, section 5). */
const REACH = 3;
const WIDTH = 2 * REACH + 1;
export const PATCH_PIXELS = WIDTH * WIDTH;

/** Lowest centre, and number of possible centres along one axis of a level. */
export const FIRST_CENTRE = REACH;
export const centresAlong = (size: number): number => size - 2 * REACH;

/** Centres of the patches of one image, one x and one y each, in pixels of the level. */
export type Centres = { readonly x: ArrayLike<number>; readonly y: ArrayLike<number> };

export interface DescriptorSet {
  /** Number of descriptors so far. */
  readonly count: number;
  /** Cuts one image's patches out of its planes at this level (one per channel) and appends them, [patch][channel, x, y]. */
  add(planes: readonly Float32Array[], centres: Centres): void;
  /** Moves what was added into the store. Call it once per minibatch. */
  flush(): Promise<void>;
  /**
   * All descriptors in order, some at a time, each channel shifted and scaled to mean 0 and standard deviation 1 (biased) over the set's
   * descriptors; a channel that is constant over the whole set is 0. An array is valid until the next one is asked for.
   */
  normalised(): AsyncIterable<Float32Array>;
  dispose(): Promise<void>;
}

export function createDescriptorSet(size: number, channels: number, place: RowPlace): DescriptorSet {
  const rowLength = channels * PATCH_PIXELS;
  const store: RowStore = createRowStore(rowLength, place);
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let pending = new Float32Array(0);
  let filled = 0;

  return {
    get count() {
      return store.rows + filled / rowLength;
    },
    add(planes, { x, y }) {
      pending = withRoom(pending, filled, x.length * rowLength);
      for (let patch = 0; patch < x.length; patch++) {
        for (let channel = 0; channel < channels; channel++) {
          cut(planes[channel]!, size, x[patch]!, y[patch]!, pending, filled);
          filled += PATCH_PIXELS;
        }
      }
    },
    async flush() {
      const values = pending.subarray(0, filled);
      accumulate(values, sums, squares);
      await store.append(values);
      filled = 0;
    },
    async *normalised() {
      const pixels = store.rows * PATCH_PIXELS;
      const means = sums.map((sum) => sum / pixels);
      const scales = squares.map((square, channel) => inverse(Math.sqrt(square / pixels - means[channel]! ** 2)));
      let scaled = new Float32Array(0);
      for await (const values of store.chunks()) {
        if (scaled.length < values.length) scaled = new Float32Array(values.length);
        normalise(values, means, scales, scaled);
        yield scaled.subarray(0, values.length);
      }
    },
    dispose: () => store.dispose(),
  };
}

/** Copies the patch around (x, y), column by column: within a channel x varies slower than y. */
function cut(plane: Float32Array, size: number, x: number, y: number, into: Float32Array, at: number): void {
  let next = at;
  for (let column = x - REACH; column <= x + REACH; column++) {
    for (let row = y - REACH; row <= y + REACH; row++) into[next++] = plane[row * size + column]!;
  }
}

function withRoom(values: Float32Array<ArrayBuffer>, filled: number, more: number): Float32Array<ArrayBuffer> {
  if (filled + more <= values.length) return values;
  const larger = new Float32Array(Math.max(filled + more, 2 * values.length));
  larger.set(values.subarray(0, filled));
  return larger;
}

/** Adds the values, and their squares, of each channel. */
function accumulate(values: Float32Array, sums: Float64Array, squares: Float64Array): void {
  for (let start = 0, channel = 0; start < values.length; start += PATCH_PIXELS, channel = (channel + 1) % sums.length) {
    let sum = 0;
    let square = 0;
    for (let i = start; i < start + PATCH_PIXELS; i++) {
      const value = values[i]!;
      sum += value;
      square += value * value;
    }
    sums[channel]! += sum;
    squares[channel]! += square;
  }
}

/** 1/spread; 0 for a channel without spread, rounding aside (the square root of a tiny negative number is NaN). */
function inverse(spread: number): number {
  return spread > 1e-6 ? 1 / spread : 0;
}

function normalise(values: Float32Array, means: Float64Array, scales: Float64Array, into: Float32Array): void {
  for (let start = 0, channel = 0; start < values.length; start += PATCH_PIXELS, channel = (channel + 1) % means.length) {
    const mean = means[channel]!;
    const scale = scales[channel]!;
    for (let i = start; i < start + PATCH_PIXELS; i++) into[i] = (values[i]! - mean) * scale;
  }
}
