/** The Job and pods of a SynthesisJob, as listed, to what planSynthesis() is shown of them. */
import { z } from 'zod';
import type { SynthesisProgress } from '../../crds/progress.ts';
import { type Listed, observedJob, ownPods, terminating, unfinished, whose } from '../jobs/observe.ts';
import { lastDocument } from '../jobs/pods.ts';
import { indexesOf, shardOf } from '../jobs/shards.ts';
import type { Pod } from '../jobs/wire.ts';
import type { ObservedSynthesis, SynthesisTask } from './observed.ts';

const task = z.strictObject({ kind: z.literal('synthesize'), checkpointUri: z.string() });

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
    completedShards: ours.flatMap(({ status }) => indexesOf(status?.completedIndexes)),
    progress: newestByShard([...polled, ...ownPods(listed).flatMap(lastOfShard)]),
  };
}

type ShardProgress = { readonly shard: number; readonly document: SynthesisProgress };

function lastOfShard(pod: Pod): readonly ShardProgress[] {
  const shard = shardOf(pod);
  const document = lastDocument(pod);
  return shard !== undefined && document?.kind === 'synthesis' ? [{ shard, document }] : [];
}

function newestByShard(all: readonly ShardProgress[]): readonly ShardProgress[] {
  const sorted = all.toSorted((a, b) => (a.document.time < b.document.time ? -1 : 1));
  return [...new Map(sorted.map((entry) => [entry.shard, entry])).values()].sort((a, b) => a.shard - b.shard);
}
