/** The image pyramid of a dataset: each level is the 2x2 mean of the one above it, carried unrounded, stored as uint8. */

/** Pixels of one square image at one resolution, in C,H,W order. */
export type Level = { readonly resolution: number; readonly pixels: Uint8Array };

/**
 * The image at its own resolution and at every half of it down to 4x4. Means are float32 and never rounded on the way down; each level is
 * stored rounded half to even, as numpy.rint does.
 */
export function pyramid(pixels: Uint8Array, channels: number, resolution: number): readonly Level[] {
  const levels: Level[] = [{ resolution, pixels }];
  let values = Float32Array.from(pixels);
  for (let size = resolution / 2; size >= 4; size /= 2) {
    values = halved(values, channels, size * 2);
    levels.push({ resolution: size, pixels: Uint8Array.from(values, rint) });
  }
  return levels;
}

/** 2x2 means of a square image of `size`, in float32. */
export function halved(values: Float32Array, channels: number, size: number): Float32Array<ArrayBuffer> {
  const half = size / 2;
  const out = new Float32Array(channels * half * half);
  for (let row = 0; row < channels * half; row++) {
    for (let x = 0; x < half; x++) {
      const at = row * 2 * size + x * 2;
      // Added in float32 pairs along rows first: the sums of four uint8 means are exact in float32 for the first levels, then rounded.
      const top = Math.fround((values[at] as number) + (values[at + 1] as number));
      const bottom = Math.fround((values[at + size] as number) + (values[at + size + 1] as number));
      out[row * half + x] = (top + bottom) * 0.25;
    }
  }
  return out;
}

/** Rounds a value in 0..255 to a whole number, halves to the even one. */
export function rint(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return Math.min(Math.max(up ? floor + 1 : floor, 0), 255);
}
