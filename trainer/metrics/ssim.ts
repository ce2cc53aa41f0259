/** Structural similarity of two planes at one scale (Wang, Bovik, Sheikh and Simoncelli 2004). */

const WINDOW = 11;
const SIGMA = 1.5;
const RANGE = 255;
const C1 = (0.01 * RANGE) ** 2;
const C2 = (0.03 * RANGE) ** 2;

/**
 * Means over all window positions inside the planes of the similarity (`ssim`) and of its contrast and structure part (`contrast`).
 * Gaussian window of 11 pixels, sigma 1.5; both shrink alike on planes that are smaller than the window.
 */
export function similarity(a: Float64Array, b: Float64Array, size: number): { readonly ssim: number; readonly contrast: number } {
  const window = gaussian(Math.min(WINDOW, size));
  const inside = size - window.length + 1;
  const filter = (value: (i: number) => number): Float64Array => filtered(value, size, window);
  const meanA = filter((i) => a[i]!);
  const meanB = filter((i) => b[i]!);
  const squareA = filter((i) => a[i]! * a[i]!);
  const squareB = filter((i) => b[i]! * b[i]!);
  const product = filter((i) => a[i]! * b[i]!);
  let [ssim, contrast] = [0, 0];
  for (let i = 0; i < meanA.length; i++) {
    const [muA, muB] = [meanA[i]!, meanB[i]!];
    const variances = squareA[i]! - muA * muA + (squareB[i]! - muB * muB);
    const covariance = product[i]! - muA * muB;
    const structure = (2 * covariance + C2) / (variances + C2);
    contrast += structure;
    ssim += (structure * (2 * muA * muB + C1)) / (muA * muA + muB * muB + C1);
  }
  return { ssim: ssim / inside ** 2, contrast: contrast / inside ** 2 };
}

/** One axis of a Gaussian window whose weights sum to 1, centred (between two pixels when the width is even). */
export function gaussian(width: number): Float64Array {
  const sigma = (width * SIGMA) / WINDOW;
  const weights = Float64Array.from({ length: width }, (_, i) => Math.exp(-((i - (width - 1) / 2) ** 2) / (2 * sigma * sigma)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Filters along rows, then columns; only positions where the window lies inside. */
function filtered(value: (i: number) => number, size: number, window: Float64Array): Float64Array {
  const inside = size - window.length + 1;
  const line = new Float64Array(size);
  const rows = new Float64Array(size * inside);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) line[x] = value(y * size + x);
    for (let x = 0; x < inside; x++) {
      let sum = 0;
      for (let k = 0; k < window.length; k++) sum += window[k]! * line[x + k]!;
      rows[y * inside + x] = sum;
    }
  }
  const result = new Float64Array(inside * inside);
  for (let y = 0; y < inside; y++) {
    for (let k = 0; k < window.length; k++) {
      const weight = window[k]!;
      for (let x = 0, from = (y + k) * inside; x < inside; x++) result[y * inside + x]! += weight * rows[from + x]!;
    }
  }
  return result;
}
