/** The few functions from which phantoms are made: soft steps, bumps, and smooth noise. */

export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}

/** 0 below `from`, 1 above `to`, smooth between. */
export function smoothstep(from: number, to: number, x: number): number {
  const t = clamp((x - from) / (to - from), 0, 1);
  return t * t * (3 - 2 * t);
}

/** A bump of height 1 at `centre`, half as high at 0.8 `width` from it. */
export function ridge(x: number, centre: number, width: number): number {
  const t = (x - centre) / width;
  return 1 / (1 + t * t * t * t * 1.5 + t * t * 0.3);
}

/** Smooth noise over the plane, about [-1.5, 1.5]; one lattice cell is 1 x 1. */
export type Noise = (x: number, y: number) => number;

/** Smooth noise that interpolates 16 x 16 normal numbers and repeats beyond them. */
export function lattice(values: Float32Array): Noise {
  const at = (x: number, y: number): number => values[(y & 15) * 16 + (x & 15)] ?? 0;
  return (x, y) => {
    const column = Math.floor(x);
    const row = Math.floor(y);
    const u = smoothstep(0, 1, x - column);
    const v = smoothstep(0, 1, y - row);
    const upper = at(column, row) * (1 - u) + at(column + 1, row) * u;
    const lower = at(column, row + 1) * (1 - u) + at(column + 1, row + 1) * u;
    return upper * (1 - v) + lower * v;
  };
}
