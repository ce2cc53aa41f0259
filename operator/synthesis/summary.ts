/** The status of a SynthesisJob from what was decided and what its shards say. */
import { conditionsOf, type Verdict } from '../training/conditions.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';
import { failuresOf } from '../training/task-record.ts';
import type { ObservedSynthesis, SynthesisObject, SynthesisStatus } from './observed.ts';

/** Images of shard `shard`: the indexes i below `count` with i mod shards == shard. */
export function shardImages(count: number, shards: number, shard: number): number {
  return Math.ceil((count - shard) / shards);
}

/** Images that are surely written: of completed shards all, of running ones what they say. */
export function imagesDone(wanted: number, seen: ObservedSynthesis, shards: number): number {
  const complete = new Set(seen.completedShards);
  const finished = seen.completedShards.reduce((sum, shard) => sum + shardImages(wanted, shards, shard), 0);
  const live = seen.progress.filter(({ shard }) => !complete.has(shard)).reduce((sum, { document }) => sum + document.done, 0);
  return Math.min(wanted, finished + live);
}

/** `retry` is the value of the retry annotation, now handled. Images done never fall, also where a shard is not heard. */
export function summarize(
  { metadata, spec, status: previous }: SynthesisObject,
  task: TaskRecord,
  seen: ObservedSynthesis,
  verdict: Verdict,
  retry: string | undefined,
  now: Date,
): SynthesisStatus {
  const done = task.state === 'Complete' ? spec.count : Math.max(previous?.imagesDone ?? 0, imagesDone(spec.count, seen, spec.shards));
  const documents = seen.progress.map(({ document }) => document);
  const checkpoint = documents.find((document) => document.checkpoint)?.checkpoint ?? previous?.checkpoint;
  const manifest = documents.find((document) => document.manifest)?.manifest ?? previous?.manifest;
  const imagesPerSecond = documents.reduce((sum, document) => sum + (document.imagesPerSecond ?? 0), 0);
  const lastHandledRetry = retry ?? previous?.lastHandledRetry;
  return {
    observedGeneration: metadata.generation,
    conditions: conditionsOf(verdict, spec.suspend, previous?.conditions ?? [], metadata.generation, now),
    task,
    imagesDone: done,
    imagesWanted: spec.count,
    progressPercent: Math.floor((100 * done) / spec.count),
    failures: failuresOf(task),
    ...(imagesPerSecond > 0 && task.state === 'Running' && { imagesPerSecond }),
    ...(checkpoint && { checkpoint }),
    ...(manifest && { manifest }),
    ...(task.startTime !== undefined && { startTime: task.startTime }),
    ...(task.completionTime !== undefined && { completionTime: task.completionTime }),
    ...(lastHandledRetry !== undefined && { lastHandledRetry }),
  };
}
