/** A walk through the latents of a generator: every frame a grid of images, each cell on a smooth circle of its own. */
import type { ProgramDefinition } from '../backend/program.ts';
import { gridPicture, type Picture } from '../report/grid.ts';
import type { OpenGenerator } from '../synthesis/open-generator.ts';
import { createRandom } from '../train/random.ts';
import { smoothLatents } from './smooth-latents.ts';

export type InterpolationOptions = {
  readonly frames: number;
  readonly columns: number;
  readonly rows: number;
  /** Standard deviation in frames of the filter that smooths the walk. */
  readonly sigmaFrames: number;
  readonly seed: number;
  readonly mode: ProgramDefinition['mode'];
};

/** Images that a pass of the generator makes at most. */
const MINIBATCH = 8;
/** Frames of small networks are enlarged by repeating pixels, up to this height. */
const READABLE_HEIGHT = 512;

/** Width and height of a frame in pixels. */
export function interpolationSize({ shape }: OpenGenerator, { columns, rows }: Pick<InterpolationOptions, 'columns' | 'rows'>) {
  const side = sideOf(shape.resolution, rows);
  return { width: columns * side, height: rows * side };
}

/** The frames, one after another; the last leads back to the first. In conditional networks each cell keeps a class, the classes in turn. */
export function* interpolationFrames(generator: OpenGenerator, options: InterpolationOptions): Generator<Picture> {
  const { frames, columns, rows, sigmaFrames, seed, mode } = options;
  const { latentSize, labelSize, channels, resolution } = generator.shape;
  const cells = columns * rows;
  const width = cells * latentSize;
  const noise = createRandom(seed).normal('video/latents', 0, frames * width);
  const latents = smoothLatents(noise, { frames, width, sigma: sigmaFrames });
  const labels = labelsOf(cells, labelSize);
  const sampler = generator.sampler(Math.min(cells, MINIBATCH), mode);
  try {
    for (let frame = 0; frame < frames; frame++) {
      const data = sampler.sample({ latents: latents.subarray(frame * width, (frame + 1) * width), labels });
      const shape = [cells, sampler.resolution, sampler.resolution, channels] as const;
      yield gridPicture({ data, shape }, { columns, rows, resolution: sideOf(resolution, rows) });
    }
  } finally {
    sampler.dispose();
  }
}

function sideOf(resolution: number, rows: number): number {
  let side = resolution;
  while (side * 2 * rows <= READABLE_HEIGHT) side *= 2;
  return side;
}

function labelsOf(cells: number, labelSize: number): Float32Array | undefined {
  if (labelSize === 0) return undefined;
  const labels = new Float32Array(cells * labelSize);
  for (let cell = 0; cell < cells; cell++) labels[cell * labelSize + (cell % labelSize)] = 1;
  return labels;
}
