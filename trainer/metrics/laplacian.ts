/** Laplacian pyramids (Burt and Adelson 1983): what each doubling of resolution adds to an image. */

/** The resolution at which a pyramid ends (Karras et al. 2018, section 5: "16 x 16 and upwards"). */
const COARSEST = 16;

/** Resolutions of a pyramid's levels, finest first; none for images below 16x16. */
export function pyramidSizes(resolution: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = resolution; size >= COARSEST; size /= 2) sizes.push(size);
  return sizes;
}

/**
 * Returns a function from a plane of `resolution` x `resolution` values to its pyramid: per level the plane minus its low-pass part, the
 * last level being the low-pass plane itself. Low-pass filter 5x5 binomial / 256 with mirror borders (d c b | a b c d | c b a), the same
 * with gain 4 on the way up. Sums in float64, each level rounded to float32. The arrays returned are overwritten by the next call.
 */
export function laplacianPyramid(resolution: number): (plane: ArrayLike<number>) => readonly Float32Array[] {
  const sizes = pyramidSizes(resolution);
  const levels = sizes.map((size) => new Float32Array(size * size));
  const scratch = new Float64Array((resolution * resolution) / 2);
  return (plane) => {
    levels[0]?.set(plane);
    for (let i = 1; i < sizes.length; i++) {
      const [size, fine, coarse] = [sizes[i - 1]!, levels[i - 1]!, levels[i]!];
      halve(fine, size, coarse, scratch);
      subtractDoubled(fine, size, coarse, scratch);
    }
    return levels;
  };
}

/** Low-pass, then every second row and column. `scratch` receives all rows at half the columns. */
function halve(fine: Float32Array, size: number, coarse: Float32Array, scratch: Float64Array): void {
  const half = size / 2;
  for (let y = 0; y < size; y++) {
    const row = y * size;
    for (let x = 0; x < half; x++) {
      const at = row + 2 * x;
      const left2 = x === 0 ? at + 2 : at - 2;
      const left1 = x === 0 ? at + 1 : at - 1;
      const right2 = x === half - 1 ? at : at + 2;
      scratch[y * half + x] = fine[left2]! + fine[right2]! + 4 * (fine[left1]! + fine[at + 1]!) + 6 * fine[at]!;
    }
  }
  for (let y = 0; y < half; y++) {
    const above2 = (y === 0 ? 2 : 2 * y - 2) * half;
    const above1 = (y === 0 ? 1 : 2 * y - 1) * half;
    const row = 2 * y * half;
    const below2 = (y === half - 1 ? 2 * y : 2 * y + 2) * half;
    for (let x = 0; x < half; x++) {
      const sum =
        scratch[above2 + x]! + scratch[below2 + x]! + 4 * (scratch[above1 + x]! + scratch[row + half + x]!) + 6 * scratch[row + x]!;
      coarse[y * half + x] = sum / 256;
    }
  }
}

/**
 * Subtracts from `fine` the coarse plane spread to every second pixel, zeros between, and low-passed with gain 4. In one dimension even
 * pixels see (1 6 1)/8 of the coarse ones, odd pixels (4 4)/8; mirrored borders read coarse -1 as 1 and coarse n as n - 1.
 */
function subtractDoubled(fine: Float32Array, size: number, coarse: Float32Array, scratch: Float64Array): void {
  const half = size / 2;
  for (let y = 0; y < half; y++) {
    const row = y * half;
    const above = (y === 0 ? 1 : y - 1) * half;
    const below = (y === half - 1 ? y : y + 1) * half;
    for (let x = 0; x < half; x++) {
      scratch[2 * row + x] = coarse[above + x]! + coarse[below + x]! + 6 * coarse[row + x]!;
      scratch[2 * row + half + x] = 4 * (coarse[row + x]! + coarse[below + x]!);
    }
  }
  for (let y = 0; y < size; y++) {
    const row = y * half;
    for (let x = 0; x < half; x++) {
      const left = scratch[row + (x === 0 ? 1 : x - 1)]!;
      const here = scratch[row + x]!;
      const right = scratch[row + (x === half - 1 ? x : x + 1)]!;
      const at = y * size + 2 * x;
      fine[at] = fine[at]! - Math.fround((left + right + 6 * here) / 64);
      fine[at + 1] = fine[at + 1]! - Math.fround((4 * (here + right)) / 64);
    }
  }
}
