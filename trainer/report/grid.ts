/** Pictures of many images side by side, as PNG: fixed latents at every tick, reals, and whatever else is looked at. */
import { encode } from 'fast-png';
import { withText } from './png-text.ts';

/** Images as [number, height, width, channels]: float32 in [-1, 1], or bytes. One channel is grey, three are RGB. */
export type ImageBatch = {
  readonly data: Float32Array | Uint8Array;
  readonly shape: readonly [images: number, height: number, width: number, channels: number];
};

export type GridOptions = {
  readonly columns: number;
  readonly rows: number;
  /** Side in pixels to which each image is enlarged by repeating pixels; a multiple of its own. */
  readonly resolution?: number;
  /** PNG text (tEXt, Latin-1): what made this, and "synthetic" or "phantom" where no patient is shown. */
  readonly text?: Readonly<Record<string, string>>;
};

/** A decoded picture: bytes of [height, width, channels]. */
export type Picture = { readonly width: number; readonly height: number; readonly channels: number; readonly data: Uint8Array };

/**
 * The reference's '1080p' layout: as many images of a resolution as fit on 1920x1080, 3x2 to 32x32. `most` caps it further, for networks
 * so small that a thousand images would be drawn at each tick.
 */
export function gridSize(resolution: number, most: { readonly columns: number; readonly rows: number } = { columns: 32, rows: 32 }) {
  const columns = clip(Math.floor(1920 / resolution), 3, 32);
  const rows = clip(Math.floor(1080 / resolution), 2, 32);
  return { columns: Math.min(columns, most.columns), rows: Math.min(rows, most.rows) };
}

/** A grid as PNG, filled row by row; cells without an image are black. @throws {RangeError} where shapes do not fit */
export function gridPng(images: ImageBatch, options: GridOptions): Buffer {
  return pngOf(gridPicture(images, options), options.text);
}

/** A grid as a picture. */
export function gridPicture(images: ImageBatch, { columns, rows, resolution }: GridOptions): Picture {
  const [count, height, width, channels] = images.shape;
  checkBatch(images);
  const scale = (resolution ?? width) / width;
  if (!Number.isInteger(scale) || scale < 1) throw new RangeError(`images of ${width} pixels cannot be enlarged to ${resolution}`);
  const bytes = toBytes(images.data);
  const picture = blankPicture(columns * width * scale, rows * height * scale, channels);
  for (let index = 0; index < Math.min(count, columns * rows); index++) {
    const image = {
      width,
      height,
      channels,
      data: bytes.subarray(index * height * width * channels, (index + 1) * height * width * channels),
    };
    paste(picture, image, (index % columns) * width * scale, Math.floor(index / columns) * height * scale, scale);
  }
  return picture;
}

/** A picture as PNG. */
function pngOf(picture: Picture, text: Readonly<Record<string, string>> = {}): Buffer {
  return withText(encode({ ...picture, depth: 8 }), text);
}

/** [-1, 1] -> 0..255 in float32, rounded half to even and clipped, as the reference does it; what is no number is 0. Bytes pass. */
export function toBytes(data: Float32Array | Uint8Array): Uint8Array {
  if (data instanceof Uint8Array) return data;
  const bytes = new Uint8Array(data.length);
  for (let index = 0; index < data.length; index++) {
    const value = Math.fround(Math.fround((data[index] ?? 0) * 127.5) + 127.5);
    bytes[index] = value >= 255 ? 255 : value > 0 ? roundHalfToEven(value) : 0;
  }
  return bytes;
}

/** A black picture to paste into. */
export function blankPicture(width: number, height: number, channels: number): Picture {
  return { width, height, channels, data: new Uint8Array(width * height * channels) };
}

/** Copies `image` into `picture` with its top left corner at (left, top), each pixel repeated `scale` times both ways. */
export function paste(picture: Picture, image: Picture, left: number, top: number, scale: number): void {
  const { channels } = picture;
  for (let y = 0; y < image.height * scale; y++) {
    const from = Math.floor(y / scale) * image.width * channels;
    const to = ((top + y) * picture.width + left) * channels;
    for (let x = 0; x < image.width * scale; x++) {
      const source = from + Math.floor(x / scale) * channels;
      for (let channel = 0; channel < channels; channel++) picture.data[to + x * channels + channel] = image.data[source + channel] ?? 0;
    }
  }
}

function checkBatch({ data, shape: [count, height, width, channels] }: ImageBatch): void {
  if (channels !== 1 && channels !== 3) throw new RangeError(`images have 1 or 3 channels, not ${channels}`);
  const want = count * height * width * channels;
  if (data.length !== want)
    throw new RangeError(`${count} images of ${width}x${height}x${channels} are ${want} values, not ${data.length}`);
}

function clip(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor + (floor % 2);
}
