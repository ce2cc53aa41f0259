/** The images of one shard, in blocks: what is noted in the journal together, so that no note grows with the number of images. */
import type { SynthesisRun } from '../../crds/run.ts';

export type Shard = {
  readonly number: number;
  readonly images: number;
  readonly blocks: number;
  /** Indexes of the images of a block, in rising order: those that leave the shard's number when divided by the number of shards. */
  indexes(block: number): readonly number[];
  /** Where among the shard's images the image `index` comes. */
  placeOf(index: number): number;
  blockOf(index: number): number;
};

/** @param blockImages images of each block but the last */
export function shardOf({ count, shards, shard }: Pick<SynthesisRun, 'count' | 'shards' | 'shard'>, blockImages: number): Shard {
  const images = Math.ceil((count - shard) / shards);
  const placeOf = (index: number): number => (index - shard) / shards;
  return {
    number: shard,
    images,
    blocks: Math.ceil(images / blockImages),
    indexes(block) {
      const first = block * blockImages;
      return Array.from({ length: Math.min(blockImages, images - first) }, (_, place) => shard + (first + place) * shards);
    },
    placeOf,
    blockOf: (index) => Math.floor(placeOf(index) / blockImages),
  };
}

/** `shard-0003`. */
export const shardName = (shard: number): string => `shard-${String(shard).padStart(4, '0')}`;
