/** The growth figure: the same latents drawn at the end of each phase, from 4x4 to full size, one column per resolution. */
import sharp from 'sharp';
import { svgText } from './font.ts';
import { blankPicture, type ImageBatch, paste, type Picture, toBytes } from './grid.ts';
import { withText } from './png-text.ts';

/** The images of a phase, as small as they are; the same latents in the same order in every column. */
export type GrowthColumn = {
  readonly resolution: number;
  readonly images: ImageBatch;
  /** What stands below the column, such as the images shown until then. */
  readonly caption?: string;
};

export type GrowthOptions = {
  /** Side in pixels of one image in the figure, a power of two: larger images are reduced to it, smaller ones enlarged. */
  readonly side: number;
  /** Images per column; as many as every column has by default. */
  readonly rows?: number;
  readonly text?: Readonly<Record<string, string>>;
};

const INK = '#1f2937';
const FAINT = '#6b7280';

/**
 * The figure as PNG on white. Low resolutions are enlarged by repeating pixels, ones above `side` reduced by averaging.
 * @throws {RangeError} where there is no column or one does not fit
 */
export async function growthPng(columns: readonly GrowthColumn[], { side, rows, text }: GrowthOptions): Promise<Buffer> {
  const [first] = columns;
  if (!first) throw new RangeError('a growth figure needs at least one resolution');
  const channels = first.images.shape[3];
  const count = Math.min(rows ?? Number.POSITIVE_INFINITY, ...columns.map(({ images }) => images.shape[0]));
  const layout = layOut(columns, side, count);
  const picture = blankPicture(layout.width, layout.height, channels);
  picture.data.fill(255);
  for (const [index, { images }] of columns.entries()) {
    if (images.shape[3] !== channels) throw new RangeError(`a figure of ${channels} channels cannot show images of ${images.shape[3]}`);
    for (let row = 0; row < count; row++) {
      const image = fitted(imageOf(images, row), side);
      paste(picture, image, layout.left(index), layout.top(row), side / image.width);
    }
  }
  const { data, width, height } = picture;
  const drawn = sharp(data, { raw: { width, height, channels: channels as 1 | 3 } }).composite([
    { input: Buffer.from(lettering(columns, layout)), top: 0, left: 0 },
  ]);
  return withText(
    await drawn
      .removeAlpha()
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .png({ compressionLevel: 9 })
      .toBuffer(),
    text ?? {},
  );
}

type Layout = {
  readonly width: number;
  readonly height: number;
  readonly side: number;
  readonly margin: number;
  /** Height of the labels' capitals. */
  readonly size: number;
  readonly left: (column: number) => number;
  readonly top: (row: number) => number;
};

/** Everything is in proportion to the side of an image. */
function layOut(columns: readonly GrowthColumn[], side: number, rows: number): Layout {
  const gap = Math.round(side / 16);
  const margin = Math.round(side / 5);
  const size = Math.round(side / 10);
  const head = margin + 2 * size;
  const foot = (columns.some(({ caption }) => caption !== undefined) ? 2 * size : 0) + 5 * size + margin;
  return {
    width: columns.length * (side + gap) - gap + 2 * margin,
    height: head + rows * (side + gap) - gap + foot,
    side,
    margin,
    size,
    left: (column) => margin + column * (side + gap),
    top: (row) => head + row * (side + gap),
  };
}

/** The resolution above each column, the caption below it, and an arrow along them all. */
function lettering(columns: readonly GrowthColumn[], layout: Layout): string {
  const { width, height, side, margin, size, left, top } = layout;
  const labels = columns.map(({ resolution, caption }, index) => {
    const middle = left(index) + side / 2;
    const label = svgText(`${resolution} × ${resolution}`, middle, top(0) - size, { size, colour: INK, anchor: 'middle' });
    const below = { size: size * 0.8, colour: FAINT, anchor: 'middle' } as const;
    return label + (caption === undefined ? '' : svgText(caption, middle, height - margin - 5 * size, below));
  });
  const from = left(0);
  const to = left(columns.length - 1) + side;
  const y = height - margin - 2.4 * size;
  const arrow = `<path d="M${from} ${y}H${to - size / 2}" stroke="${INK}" stroke-width="${size / 8}"/><path d="M${to} ${y}l${-size} ${-size / 2}v${size}z" fill="${INK}"/>`;
  const progress = svgText('Training progress', (from + to) / 2, height - margin, { size, colour: INK, anchor: 'middle' });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${labels.join('')}${arrow}${progress}</svg>`;
}

function imageOf({ data, shape: [, height, width, channels] }: ImageBatch, index: number): Picture {
  const size = height * width * channels;
  return { width, height, channels, data: toBytes(data).subarray(index * size, (index + 1) * size) };
}

/** The image, or its averages over squares of pixels where it is larger than `side`. */
function fitted(image: Picture, side: number): Picture {
  const { width, height, channels, data } = image;
  const factor = width / side;
  if (height !== width || !Number.isInteger(Math.max(factor, 1 / factor))) {
    throw new RangeError(`images of ${width}x${height} do not fit a figure of ${side} pixels a side`);
  }
  if (factor <= 1) return image;
  const reduced = blankPicture(side, side, channels);
  for (let at = 0; at < reduced.data.length; at++) {
    const channel = at % channels;
    const x = (Math.floor(at / channels) % side) * factor;
    const y = Math.floor(at / channels / side) * factor;
    let sum = 0;
    for (let dy = 0; dy < factor; dy++) {
      for (let dx = 0; dx < factor; dx++) sum += data[((y + dy) * width + x + dx) * channels + channel] ?? 0;
    }
    reduced.data[at] = Math.round(sum / factor ** 2);
  }
  return reduced;
}
