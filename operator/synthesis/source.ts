/** The Job and pods of a SynthesisJob, as listed, to what planSynthesis() is shown of them. */
import { z } from 'zod';
import type { SynthesisProgress } from '../../crds/progress.ts';
import { type Listed, observedJob, ownPods, terminating, unfinished, whose } from '../jobs/observe.ts';
import { lastDocument } from '../jobs/pods.ts';
import type { Job, Pod } from '../jobs/wire.ts';
import type { ObservedSynthesis, SynthesisTask } from './observed.ts';

const task = z.strictObject({ kind: z.literal('synthesize'), checkpointUri: z.string() });
/** Where a pod of an Indexed Job is told its shard. */
export const SHARD_INDEX = 'batch.kubernetes.io/job-completion-index';

/**
 * Everything about a SynthesisJob that its Job and pods tell. `polled` holds the newest document of each shard that answered; a shard that has
 * ended since left a newer one.
 */
export function observedShards(
  listed: Listed,
  polled: ObservedSynthesis['progress'],
): Pick<ObservedSynthesis, 'jobs' | 'conflicts' | 'unfinishedPods' | 'terminatingPods' | 'completedShards' | 'progress'> {
  const { ours, conflicts, leftovers } = whose(listed);
  return {
    jobs: ours.map((job) => observedJob<SynthesisTask>(job, listed, (value) => task.safeParse(value).data)),
    conflicts,
    unfinishedPods: [...unfinished(listed.pods), ...leftovers],
    terminatingPods: terminating(listed.pods),
    completedShards: ours.flatMap(completedIndexes),
    progress: newestByShard([...polled, ...ownPods(listed).flatMap(lastOfShard)]),
  };
}

/** `0-2,5` of a Job's status. */
function completedIndexes({ status }: Job): readonly number[] {
  const ranges = (status?.completedIndexes ?? '').split(',').filter(Boolean);
  return ranges.flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}

type ShardProgress = { readonly shard: number; readonly document: SynthesisProgress };

function lastOfShard(pod: Pod): readonly ShardProgress[] {
  const index = pod.metadata?.annotations?.[SHARD_INDEX];
  const document = lastDocument(pod);
  return index !== undefined && document?.kind === 'synthesis' ? [{ shard: Number(index), document }] : [];
}

function newestByShard(all: readonly ShardProgress[]): readonly ShardProgress[] {
  const sorted = all.toSorted((a, b) => (a.document.time < b.document.time ? -1 : 1));
  return [...new Map(sorted.map((entry) => [entry.shard, entry])).values()].sort((a, b) => a.shard - b.shard);
}
