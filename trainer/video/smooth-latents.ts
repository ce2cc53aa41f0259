/** Latents that wander smoothly: noise, filtered by a Gaussian over time, that ends where it began. */

export type SmoothOptions = {
  readonly frames: number;
  /** Values of one frame. */
  readonly width: number;
  /** Standard deviation of the filter in frames; 0 leaves the noise as it is. */
  readonly sigma: number;
};

/** As scipy.ndimage.gaussian_filter1d cuts its kernel. */
const TRUNCATE_SIGMAS = 4;

/** Filters `noise` [frames, width] over the frames, in a circle, and scales it so that the mean square of all values is 1. */
export function smoothLatents(noise: Float32Array, { frames, width, sigma }: SmoothOptions): Float32Array {
  const kernel = gaussian(sigma);
  const radius = (kernel.length - 1) / 2;
  const smooth = new Float32Array(noise.length);
  const sums = new Float64Array(width);
  for (let frame = 0; frame < frames; frame++) {
    sums.fill(0);
    for (const [tap, weight] of kernel.entries()) {
      const from = modulo(frame + tap - radius, frames) * width;
      for (let i = 0; i < width; i++) sums[i] = (sums[i] ?? 0) + weight * (noise[from + i] ?? 0);
    }
    smooth.set(sums, frame * width);
  }
  const rms = Math.sqrt(smooth.reduce((sum, value) => sum + value * value, 0) / smooth.length);
  return smooth.map((value) => value / rms);
}

/** Weights that add up to 1. */
function gaussian(sigma: number): readonly number[] {
  const radius = Math.floor(TRUNCATE_SIGMAS * sigma + 0.5);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, tap) => (sigma === 0 ? 1 : Math.exp(-0.5 * ((tap - radius) / sigma) ** 2)));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}

const modulo = (value: number, by: number): number => ((value % by) + by) % by;
