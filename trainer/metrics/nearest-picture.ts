/** A picture for the question whether a generator copies: fakes, and below each the training image that is nearest to it. */
import type { Dataset } from '../data/dataset.ts';
import { gridPng } from '../report/grid.ts';
import type { ImageSource } from './evaluate.ts';
import { type ImageShape, imageBytes } from './metric.ts';
import { type Nearest, nearest } from './nearest.ts';

const FAKES = 16;
const COLUMNS = 8;

export type NearestReport = {
  /** PNG: rows of fakes alternate with rows of their nearest training images. */
  readonly png: Buffer;
  /** Of each fake, in the picture's order. */
  readonly fakes: readonly Nearest[];
  /** Median distance of the same number of real images to the nearest other one (RMSE in grey levels): what no copying looks like. */
  readonly realsRmse: number;
};

/** Compares the first 16 fakes with every training image, by root mean square difference of pixels. */
export async function nearestReport(
  fakeSource: ImageSource,
  realSource: ImageSource,
  dataset: Pick<Dataset, 'images' | 'read'>,
  shape: ImageShape,
): Promise<NearestReport> {
  const made = await firstImages(fakeSource, FAKES, shape);
  const found = await nearest(made, realSource(dataset.images), { shape });
  const some = await firstImages(realSource, Math.min(FAKES, dataset.images), shape);
  const others = dataset.images > 1 ? await nearest(some, realSource(dataset.images), { shape, exceptSelf: true }) : [];
  const neighbours = dataset.read(
    shape.resolution,
    found.map(({ index }) => index),
  );
  const bytes = imageBytes(shape);
  const cells = new Uint8Array(2 * FAKES * bytes);
  for (let index = 0; index < FAKES; index++) {
    const cell = 2 * (index - (index % COLUMNS)) + (index % COLUMNS);
    cells.set(made.subarray(index * bytes, (index + 1) * bytes), cell * bytes);
    cells.set(neighbours.subarray(index * bytes, (index + 1) * bytes), (cell + COLUMNS) * bytes);
  }
  const png = gridPng(
    { data: cells, shape: [2 * FAKES, shape.resolution, shape.resolution, shape.channels] },
    {
      columns: COLUMNS,
      rows: (2 * FAKES) / COLUMNS,
      resolution: Math.max(shape.resolution, 128),
      text: {
        Software: 'pggan-operator',
        Description: 'rows 1 and 3: synthetic images, not for diagnosis; rows 2 and 4: the nearest training image of each',
      },
    },
  );
  return { png, fakes: found, realsRmse: median(others.map(({ rmse }) => rmse)) };
}

async function firstImages(source: ImageSource, count: number, shape: ImageShape): Promise<Uint8Array> {
  const images = new Uint8Array(count * imageBytes(shape));
  let at = 0;
  for await (const minibatch of source(count)) {
    const taken = minibatch.subarray(0, images.length - at);
    images.set(taken, at);
    at += taken.length;
    if (at === images.length) break;
  }
  return images;
}

/** The middle value, or the upper one of two in the middle; NaN of none. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
