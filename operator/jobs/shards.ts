/** Shards: the indexes of an Indexed Job. */
import type { Pod } from './wire.ts';

/** Where a pod of an Indexed Job is told its shard. */
export const SHARD_INDEX = 'batch.kubernetes.io/job-completion-index';

/** Undefined for a pod of a Job that has none. */
export function shardOf({ metadata }: Pod): number | undefined {
  const index = metadata?.annotations?.[SHARD_INDEX];
  return index === undefined ? undefined : Number(index);
}

/** `0-2,5` of a Job's status. */
export function indexesOf(text: string | undefined): readonly number[] {
  const ranges = (text ?? '').split(',').filter(Boolean);
  return ranges.flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}
