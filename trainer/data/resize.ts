/** Grey levels, centre crop and area-averaged reduction of pictures, with the same rounding as Pillow, so that both make the same dataset. */
import type { Picture } from './decode.ts';

/** Luminance of ITU-R BT.601 in 16-bit fixed point, rounded; a grey picture as it is. */
export function toGrey(picture: Picture): Picture {
  if (picture.channels === 1) return picture;
  const { pixels, width, height } = picture;
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    const [red = 0, green = 0, blue = 0] = [pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]];
    grey[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return { channels: 1, width, height, pixels: grey };
}

/** The largest square around the centre. */
export function cropToSquare(picture: Picture): Picture {
  const { channels, width, height, pixels } = picture;
  const side = Math.min(width, height);
  if (width === height) return picture;
  const left = Math.floor((width - side) / 2);
  const top = Math.floor((height - side) / 2);
  const cropped = new Uint8Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * channels;
    cropped.set(pixels.subarray(from, from + side * channels), y * side * channels);
  }
  return { channels, width: side, height: side, pixels: cropped };
}

/** Reduces a square picture to `size`: each pixel is the mean of the area it covers. Rows first, then columns, rounded after each. */
export function reduceTo(picture: Picture, size: number): Picture {
  const { channels, width, height } = picture;
  if (width < size || height < size) throw new RangeError(`a picture of ${width}x${height} cannot be reduced to ${size}x${size}`);
  if (width === size && height === size) return picture;
  const narrow = reduceAxis(
    picture.pixels,
    { lines: height, length: width, stride: channels, lineStride: width * channels, channels },
    size,
  );
  const small = reduceAxis(narrow, { lines: size, length: height, stride: size * channels, lineStride: channels, channels }, size);
  // The second pass ran down the columns and left each of them as a line.
  return { channels, width: size, height: size, pixels: transposed(small, size, channels) };
}

type Axis = {
  readonly lines: number;
  readonly length: number;
  /** Steps to the next value of a line, and to the next line. */
  readonly stride: number;
  readonly lineStride: number;
  readonly channels: number;
};

/** Fixed point, as Pillow: 255 * 2^22 fits into 31 bits. */
const ONE = 2 ** 22;

/** Area means along one axis; the result has its lines one after the other. */
function reduceAxis(pixels: Uint8Array, axis: Axis, size: number): Uint8Array {
  const { lines, length, stride, lineStride, channels } = axis;
  const windows = Array.from({ length: size }, (_, i) => coverage((i * length) / size, ((i + 1) * length) / size));
  const out = new Uint8Array(lines * size * channels);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < size; i++) {
      const { first, weights } = windows[i] as Window;
      for (let channel = 0; channel < channels; channel++) {
        let sum = ONE / 2;
        let at = line * lineStride + first * stride + channel;
        for (const weight of weights) {
          sum += (pixels[at] as number) * weight;
          at += stride;
        }
        out[(line * size + i) * channels + channel] = Math.min(sum >> 22, 255);
      }
    }
  }
  return out;
}

type Window = { readonly first: number; readonly weights: Int32Array };

/** The pixels that [from, to) covers and the share of each, in fixed point. */
function coverage(from: number, to: number): Window {
  const first = Math.floor(from);
  const last = Math.ceil(to - 1e-9);
  const share = (pixel: number): number => Math.max(Math.min(to, pixel + 1) - Math.max(from, pixel), 0) / (to - from);
  return { first, weights: Int32Array.from({ length: last - first }, (_, i) => Math.floor(share(first + i) * ONE + 0.5)) };
}

function transposed(pixels: Uint8Array, size: number, channels: number): Uint8Array {
  const out = new Uint8Array(pixels.length);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let channel = 0; channel < channels; channel++)
        out[(y * size + x) * channels + channel] = pixels[(x * size + y) * channels + channel] as number;
    }
  }
  return out;
}
