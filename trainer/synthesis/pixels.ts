/** From what a generator draws to the bytes of an image at the resolution that was asked for. */
import { PgganError } from '../../crds/errors.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { halved, rint } from '../data/pyramid.ts';
import type { NetworkShape } from '../networks/weights.ts';

/** Side of the images in pixels. @throws {PgganError} OptionsInvalid where more pixels are asked for than the network draws */
export function sideOf({ resolution }: Pick<SynthesisRun, 'resolution'>, shape: Pick<NetworkShape, 'resolution'>): number {
  if (resolution === undefined || resolution <= shape.resolution) return resolution ?? shape.resolution;
  throw new PgganError(
    'OptionsInvalid',
    `spec.resolution is ${resolution}, but the network draws ${shape.resolution}x${shape.resolution}: set it to ${shape.resolution} or a smaller power of two, or leave it out`,
  );
}

/**
 * One image [made, made, channels] in [-1, 1] as bytes [channels, side, side]. As the original's image_shrink does it: the values are taken
 * to 0..255 in float32, averaged over 2x2 boxes until the image is as small as asked for, and only then rounded (half to even) and clipped.
 * An image that a network in the middle of its growth makes smaller than asked for is enlarged by repeating pixels.
 */
export function pixelsOf(image: Float32Array, made: number, channels: number, side: number): Uint8Array {
  let values = grey(image, channels);
  let size = made;
  for (; size > side; size /= 2) values = halved(values, channels, size);
  return enlarged(Uint8Array.from(values, rint), channels, size, side);
}

/** Channels last in [-1, 1] to channels first in 0..255. */
function grey(image: Float32Array, channels: number): Float32Array<ArrayBuffer> {
  const plane = image.length / channels;
  const out = new Float32Array(image.length);
  for (let channel = 0; channel < channels; channel++)
    for (let at = 0; at < plane; at++) out[channel * plane + at] = Math.fround((image[at * channels + channel] as number) * 127.5) + 127.5;
  return out;
}

function enlarged(pixels: Uint8Array, channels: number, size: number, side: number): Uint8Array {
  const scale = side / size;
  if (scale === 1) return pixels;
  const out = new Uint8Array(channels * side * side);
  for (let row = 0; row < channels * side; row++) {
    const from = Math.floor(row / scale) * size;
    for (let x = 0; x < side; x++) out[row * side + x] = pixels[from + Math.floor(x / scale)] as number;
  }
  return out;
}
