/** Sliced Wasserstein distance between the patches of two sets of images, level by level of a Laplacian pyramid (Karras et al. 2018, section 5). */
import { tmpdir } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { PgganError } from '../../crds/errors.ts';
import { createDescriptorSet, type DescriptorSet, PATCH_PIXELS } from './descriptors.ts';
import { laplacianPyramid, pyramidSizes } from './laplacian.ts';
import { type ImageShape, imageBytes, imagesIn, type Metric, type Role } from './metric.ts';
import type { PatchDraws } from './patch-draws.ts';
import { sortedDistance } from './sorted-distance.ts';
import type { RowPlace } from './row-store.ts';

export type SlicedWassersteinOptions = {
  readonly shape: ImageShape;
  /** Images per set. Every set must have as many. */
  readonly images: number;
  /**
   * Channels of the patches: 3 is the reference's definition, under which grey images count as RGB ones with equal channels (SWDx1e3);
   * 1 is the same distance on grey images as they are (SWD1x1e3).
   */
  readonly patchChannels: 1 | 3;
  /** Independent draws of patches and directions; the values are means over them, and more than one add the spread of the average. */
  readonly draws: readonly PatchDraws[];
  readonly patchesPerImage?: number;
  readonly repeats?: number;
  readonly directionsPerRepeat?: number;
  /** Descriptors beyond this many bytes, over all sets and levels, are kept in a temporary file instead of memory. */
  readonly memoryBytes?: number;
  readonly temporaryFolder?: string;
};

const DEFAULTS = { patchesPerImage: 128, repeats: 4, directionsPerRepeat: 128, memoryBytes: 512 * 2 ** 20 } as const;

/** Descriptors by redraw and level. */
type Sets = readonly (readonly DescriptorSet[])[];

/**
 * Per level 7x7 patches at drawn centres, normalised per channel over the set; projections of both sets on drawn directions; mean absolute
 * difference of the sorted projections, times 1000. Columns: one per level, `SWDx1e3_<size>`, then their average.
 *
 * Memory for 16,384 grey images of 512x512: descriptors are 411 MB per level and set, 4.9 GB in all, so they go to a file; the projections
 * of both sets on as many directions as fit into 256 MiB are sorted at a time. Measured: at most 410 MiB resident.
 *
 * @throws {PgganError} OptionsInvalid for images below 16x16, or one-channel patches of RGB images.
 */
export function slicedWasserstein(options: SlicedWassersteinOptions): Metric {
  const { shape, images, patchChannels, draws, patchesPerImage, repeats, directionsPerRepeat, memoryBytes } = { ...DEFAULTS, ...options };
  const sizes = pyramidSizes(shape.resolution);
  refuseUnfit(shape, patchChannels, sizes);
  const place = placeOf(
    2 * draws.length * sizes.length * images * patchesPerImage * shape.channels * PATCH_PIXELS * 4,
    options.temporaryFolder,
    memoryBytes,
  );
  const pyramids = Array.from({ length: shape.channels }, () => laplacianPyramid(shape.resolution));
  const open = new Set<DescriptorSet>();
  let reals: Sets | undefined;

  const openSets = (): Sets =>
    draws.map(() =>
      sizes.map((size) => {
        const set = createDescriptorSet(size, shape.channels, place);
        open.add(set);
        return set;
      }),
    );
  const close = async (sets: Sets): Promise<void> => {
    for (const set of sets.flat()) {
      open.delete(set);
      await set.dispose();
    }
  };
  const compare = async (fakes: Sets, against: Sets): Promise<readonly number[]> => {
    const perDraw: number[][] = [];
    for (const [redraw, draw] of draws.entries()) {
      const levels: number[] = [];
      for (const [level, size] of sizes.entries()) {
        const [a, b] = [against[redraw]![level]!, fakes[redraw]![level]!];
        const directions = { size, channels: shape.channels, patchChannels, repeats, directionsPerRepeat };
        levels.push(1000 * (await sortedDistance(a, b, directions, draw)));
      }
      perDraw.push([...levels, mean(levels)]);
    }
    return summary(perDraw);
  };

  return {
    columns: columnsOf(patchChannels, sizes, draws.length),
    begin(role: Role) {
      const sets = openSets();
      let seen = 0;
      return {
        async feed(minibatch) {
          const count = imagesIn(minibatch, shape);
          for (let i = 0; i < count; i++, seen++) {
            const image = minibatch.subarray(i * imageBytes(shape), (i + 1) * imageBytes(shape));
            const levels = pyramids.map((pyramid, channel) => pyramid(planeOf(image, channel, shape.channels)));
            for (const [redraw, draw] of draws.entries()) {
              for (const [level, size] of sizes.entries()) {
                const planes = levels.map((channel) => channel[level]!);
                sets[redraw]![level]!.add(planes, draw.centres(role, size, seen, patchesPerImage));
              }
            }
            await setImmediate();
          }
          for (const set of sets.flat()) await set.flush();
        },
        async end() {
          if (seen !== images)
            throw new RangeError(`the sliced Wasserstein distance was set up for ${images} images per set; this set has ${seen}`);
          if (role === 'reals') {
            if (reals) await close(reals);
            reals = sets;
            // A set is no distance from itself, whatever the directions.
            return columnsOf(patchChannels, sizes, draws.length).map(() => 0);
          }
          if (!reals) throw new Error('fakes were measured before any reals');
          const values = await compare(sets, reals);
          await close(sets);
          return values;
        },
      };
    },
    async dispose() {
      await close([[...open]]);
      reals = undefined;
    },
  };
}

function refuseUnfit(shape: ImageShape, patchChannels: number, sizes: readonly number[]): void {
  if (sizes.length === 0) {
    throw new PgganError(
      'OptionsInvalid',
      `the sliced Wasserstein distance needs images of at least 16x16; these are ${shape.resolution}x${shape.resolution}`,
    );
  }
  if (patchChannels < shape.channels) {
    throw new PgganError(
      'OptionsInvalid',
      `the one-channel sliced Wasserstein distance (SWD1x1e3) is for grey images; these have ${shape.channels} channels: use SWDx1e3`,
    );
  }
}

function placeOf(bytes: number, folder: string | undefined, memoryBytes: number): RowPlace {
  return bytes <= memoryBytes ? { kind: 'memory' } : { kind: 'file', folder: folder ?? tmpdir() };
}

function columnsOf(patchChannels: number, sizes: readonly number[], redraws: number): Metric['columns'] {
  const prefix = patchChannels === 3 ? 'SWDx1e3' : 'SWD1x1e3';
  const names = [...sizes, 'avg', ...(redraws > 1 ? ['std'] : [])];
  return names.map((name) => ({ name: `${prefix}_${name}`, decimals: 4, width: 13 }));
}

/** One channel of an image as a plane. */
function planeOf(image: Uint8Array, channel: number, channels: number): Uint8Array {
  if (channels === 1) return image;
  return Uint8Array.from({ length: image.length / channels }, (_, i) => image[i * channels + channel]!);
}

/** Means over the redraws; with several, then the sample standard deviation of the last value, the average over levels. */
function summary(perDraw: readonly (readonly number[])[]): readonly number[] {
  const means = perDraw[0]!.map((_, column) => mean(perDraw.map((values) => values[column]!)));
  if (perDraw.length === 1) return means;
  const averages = perDraw.map((values) => values.at(-1)!);
  const variance = averages.reduce((sum, value) => sum + (value - means.at(-1)!) ** 2, 0) / (averages.length - 1);
  return [...means, Math.sqrt(variance)];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
