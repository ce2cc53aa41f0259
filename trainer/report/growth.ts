/** The growth figure: the same latents drawn at the end of each phase, from 4x4 to full size, one column per resolution. */
import { drawText, TEXT_HEIGHT } from './font.ts';
import { blankPicture, type ImageBatch, paste, pngOf, toBytes } from './grid.ts';

/** The images of a phase, as small as they are; the same latents in the same order in every column. */
export type GrowthColumn = { readonly resolution: number; readonly images: ImageBatch; readonly label?: string };

export type GrowthOptions = {
  /** Side in pixels of one image in the figure: the largest resolution, or a multiple of it. */
  readonly side: number;
  /** Images per column; as many as every column has by default. */
  readonly rows?: number;
  readonly text?: Readonly<Record<string, string>>;
};

const GAP = 4;

/** The figure as PNG: low resolutions are enlarged by repeating pixels. @throws {RangeError} where there is no column or one does not fit */
export function growthPng(columns: readonly GrowthColumn[], { side, rows, text }: GrowthOptions): Buffer {
  const [first] = columns;
  if (!first) throw new RangeError('a growth figure needs at least one resolution');
  const channels = first.images.shape[3];
  const count = Math.min(rows ?? Number.POSITIVE_INFINITY, ...columns.map(({ images }) => images.shape[0]));
  const labelScale = Math.max(1, Math.floor(side / 64));
  const top = TEXT_HEIGHT * labelScale + 2 * GAP;
  const picture = blankPicture(columns.length * (side + GAP) - GAP, top + count * (side + GAP) - GAP, channels);
  for (const [index, { resolution, images, label }] of columns.entries()) {
    const [, height, width] = images.shape;
    const scale = side / width;
    if (!Number.isInteger(scale) || height !== width || images.shape[3] !== channels) {
      throw new RangeError(
        `images of ${width}x${height}x${images.shape[3]} do not fit a figure of ${side} pixels and ${channels} channels`,
      );
    }
    const left = index * (side + GAP);
    drawText(picture, label ?? `${resolution}x${resolution}`, left, GAP, labelScale);
    const bytes = toBytes(images.data);
    const size = height * width * channels;
    for (let row = 0; row < count; row++) {
      paste(
        picture,
        { width, height, channels, data: bytes.subarray(row * size, (row + 1) * size) },
        left,
        top + row * (side + GAP),
        scale,
      );
    }
  }
  return pngOf(picture, text);
}
