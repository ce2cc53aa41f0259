/** What a metric is: it is fed sets of images minibatch by minibatch, first the reals, then every set of fakes that is compared with them. */

/** Square images, bytes in [0, 255], stored one after another as height, width, channel (NHWC). */
export type ImageShape = { readonly resolution: number; readonly channels: 1 | 3 };

/** One value of a metric. `decimals` is how many the table prints; its width is `width` characters. */
export type Column = { readonly name: string; readonly decimals: number; readonly width: number };

/** `reals` is what later sets are compared with; `fakes` is any other set, a second pass over the reals among them. */
export type Role = 'reals' | 'fakes';

export interface Metric {
  readonly columns: readonly Column[];
  /** Starts to measure one set of images. A new set of reals takes the place of the old one when it ends. */
  begin(role: Role): Measurement;
  /** Gives back memory and temporary files; no measurement may be under way. */
  dispose(): Promise<void>;
}

interface Measurement {
  /** Takes one minibatch of whole images (NHWC bytes); the caller may overwrite them afterwards. */
  feed(images: Uint8Array): Promise<void>;
  /** The values, in the order of the columns. */
  end(): Promise<readonly number[]>;
}

/** Bytes of one image. */
export function imageBytes(shape: ImageShape): number {
  return shape.resolution ** 2 * shape.channels;
}

/** Number of images in a minibatch. @throws RangeError when it is not a whole number of images. */
export function imagesIn(minibatch: Uint8Array, shape: ImageShape): number {
  const count = minibatch.length / imageBytes(shape);
  if (Number.isInteger(count)) return count;
  throw new RangeError(
    `a minibatch of ${minibatch.length} bytes holds no whole number of ${shape.resolution}x${shape.resolution}x${shape.channels} images`,
  );
}
