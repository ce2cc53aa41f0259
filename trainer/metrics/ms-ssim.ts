/** Multi-scale structural similarity (Wang, Simoncelli and Bovik 2003) of neighbouring images: high means little variety (Odena et al. 2017). */
import { setImmediate } from 'node:timers/promises';
import { PgganError } from '../../crds/errors.ts';
import { imageBytes, type ImageShape, imagesIn, type Metric } from './metric.ts';
import { similarity } from './ssim.ts';

/** Weights of the scales, finest first (Wang et al. 2003, section 3.2). */
const WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333] as const;

/**
 * The metric over sets: images 0 and 1, 2 and 3, ... are compared, whatever the minibatches, and the similarities averaged; a last image
 * without a partner is left out. Lower is more varied; compare with the value of the reals.
 *
 * `patchChannels` 3 is the reference's definition, under which grey images count as RGB ones with equal channels (`MS-SSIM`); 1 is the
 * same on grey images as they are (`MS-SSIM1`). Channels are averaged, so both are one number there, under two names.
 *
 * @throws {PgganError} OptionsInvalid for the one-channel variant of RGB images.
 */
export function msSsim(shape: ImageShape, patchChannels: 1 | 3 = 3): Metric {
  if (patchChannels < shape.channels) {
    throw new PgganError(
      'OptionsInvalid',
      `the one-channel MS-SSIM (MS-SSIM1) is for grey images; these have ${shape.channels} channels: use MS-SSIM`,
    );
  }
  const bytes = imageBytes(shape);
  return {
    columns: [{ name: patchChannels === 3 ? 'MS-SSIM' : 'MS-SSIM1', decimals: 4, width: 10 }],
    begin() {
      const odd = new Uint8Array(bytes);
      let waiting = false;
      let sum = 0;
      let pairs = 0;
      return {
        async feed(minibatch) {
          const count = imagesIn(minibatch, shape);
          for (let i = 0; i < count; i++) {
            const image = minibatch.subarray(i * bytes, (i + 1) * bytes);
            if (waiting) {
              sum += multiScaleSimilarity(odd, image, shape);
              pairs++;
              await setImmediate();
            } else {
              odd.set(image);
            }
            waiting = !waiting;
          }
        },
        end() {
          if (pairs === 0) throw new RangeError('MS-SSIM compares pairs of images: a set needs at least two');
          return Promise.resolve([sum / pairs]);
        },
      };
    },
    dispose: () => Promise.resolve(),
  };
}

/** MS-SSIM of two images (HWC bytes): 1 for equal ones; negative similarities of a scale count as 0. */
export function multiScaleSimilarity(a: Uint8Array, b: Uint8Array, shape: ImageShape): number {
  return scales(a, b, shape).reduce((product, { ssim, contrast }, scale) => {
    const similar = scale === WEIGHTS.length - 1 ? ssim : contrast;
    return product * Math.max(similar, 0) ** WEIGHTS[scale]!;
  }, 1);
}

/** Similarity at each of the five scales, finest first, averaged over channels. */
export function scales(
  a: Uint8Array,
  b: Uint8Array,
  { resolution, channels }: ImageShape,
): readonly { readonly ssim: number; readonly contrast: number }[] {
  const totals = WEIGHTS.map(() => ({ ssim: 0, contrast: 0 }));
  for (let channel = 0; channel < channels; channel++) {
    let [planeA, planeB] = [planeOf(a, channel, channels), planeOf(b, channel, channels)];
    let size = resolution;
    for (const total of totals) {
      const { ssim, contrast } = similarity(planeA, planeB, size);
      total.ssim += ssim;
      total.contrast += contrast;
      [planeA, planeB] = [halve(planeA, size), halve(planeB, size)];
      size = Math.ceil(size / 2);
    }
  }
  return totals.map(({ ssim, contrast }) => ({ ssim: ssim / channels, contrast: contrast / channels }));
}

function planeOf(image: Uint8Array, channel: number, channels: number): Float64Array {
  return Float64Array.from({ length: image.length / channels }, (_, i) => image[i * channels + channel]!);
}

/** Means of 2x2 blocks; a plane of one pixel stays as it is. */
function halve(plane: Float64Array, size: number): Float64Array {
  if (size === 1) return plane;
  const half = size / 2;
  const result = new Float64Array(half * half);
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const at = 2 * y * size + 2 * x;
      result[y * half + x] = (plane[at]! + plane[at + 1]! + plane[at + size]! + plane[at + size + 1]!) / 4;
    }
  }
  return result;
}
