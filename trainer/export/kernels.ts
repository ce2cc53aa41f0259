/** Kernels worked out on the host: scaled, fused with an upscale, or with their axes in another order. */
import type { Constant } from './layers.ts';

/** Every value times `scale`, in float32. */
export function scaled({ shape, data }: Constant, scale: number): Constant {
  const factor = Math.fround(scale);
  return { shape, data: scale === 1 ? data : data.map((value) => value * factor) };
}

/** Each value `times` times in a row: [C] -> [C * times]. */
export function spread({ data }: Constant, times: number): Constant {
  return {
    shape: [data.length * times],
    data: Float32Array.from({ length: data.length * times }, (_, i) => data[Math.floor(i / times)] ?? 0),
  };
}

/** The sum of the four copies of a kernel [3, 3, A, B] shifted by 0 or 1 in each direction: [4, 4, A, B] (see ops/fused-kernels.ts). */
export function fuseUpscale({ shape, data }: Constant): Constant {
  const [, , a = 0, b = 0] = shape;
  const tap = a * b;
  const fused = new Float32Array(16 * tap);
  for (const y of [0, 1, 2, 3]) {
    for (const x of [0, 1, 2, 3]) {
      const taps = tapsOf(y, x).map((index) => data.subarray(index * tap, (index + 1) * tap));
      const into = fused.subarray((y * 4 + x) * tap);
      for (let i = 0; i < tap; i++) into[i] = taps.reduce((sum, values) => sum + (values[i] ?? 0), 0);
    }
  }
  return { shape: [4, 4, a, b], data: fused };
}

/** The axes in another order: `order[i]` is the axis of `constant` that becomes axis i. */
export function transposed({ shape, data }: Constant, order: readonly number[]): Constant {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, side) => product * side, 1));
  const sides = order.map((axis) => shape[axis] ?? 0);
  const steps = order.map((axis) => strides[axis] ?? 0);
  const out = new Float32Array(data.length);
  const index = sides.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from] ?? 0;
    // As an odometer: the last axis turns first, and carries.
    for (let axis = sides.length - 1; axis >= 0; axis--) {
      from += steps[axis] ?? 0;
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (sides[axis] ?? 0)) break;
      from -= (steps[axis] ?? 0) * (sides[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return { shape: sides, data: out };
}

/** Which taps of the 3x3 kernel contribute to tap (y, x) of the 4x4 one. */
function tapsOf(y: number, x: number): readonly number[] {
  const rows = [y - 1, y].filter((i) => i >= 0 && i < 3);
  const columns = [x - 1, x].filter((j) => j >= 0 && j < 3);
  return rows.flatMap((i) => columns.map((j) => i * 3 + j));
}
