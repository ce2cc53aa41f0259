/** Jobs and pods of a PGGANTraining, as listed, to what plan() is shown of them. */
import { z } from 'zod';
import type { PreflightProgress, TrainingProgress } from '../../crds/progress.ts';
import { fateOf } from '../jobs/fates.ts';
import { type Listed, observedJob, ownPods, podsOf, terminating, unfinished, whose } from '../jobs/observe.ts';
import { endedAt, lastDocument } from '../jobs/pods.ts';
import { LABELS } from '../jobs/metadata.ts';
import type { Observed, Task } from './observed.ts';

const task = z.union([
  z.strictObject({ kind: z.literal('preflight') }),
  z.strictObject({ kind: z.literal('train'), resolution: z.number(), endImages: z.number() }),
]);

/**
 * Everything about a training that its Jobs and pods tell. `listed.jobs` holds the Jobs that it owns and those that have one of its names;
 * `listed.pods` all pods labelled with its name, whatever their owner.
 */
export function observedJobs(
  listed: Listed,
): Pick<Observed, 'jobs' | 'conflicts' | 'unfinishedPods' | 'terminatingPods' | 'fates' | 'preflight'> {
  const { ours, conflicts, leftovers } = whose(listed);
  const preflight = preflightResult(listed);
  const fates = ours.flatMap((job) => podsOf(job, listed).flatMap((pod) => fateOf(pod, job, listed.now) ?? []));
  return {
    jobs: ours.map((job) => observedJob<Task>(job, listed, (value) => task.safeParse(value).data)),
    conflicts,
    unfinishedPods: [...unfinished(listed.pods), ...leftovers],
    fates,
    terminatingPods: terminating(listed.pods),
    ...(preflight && { preflight }),
  };
}

/** The newest document that an ended process of this training left behind: newer than the last poll where the process ended since. */
export function lastProgress(listed: Listed): TrainingProgress | undefined {
  const documents = ownPods(listed)
    .map(lastDocument)
    .flatMap((document) => (document?.kind === 'training' ? [document] : []));
  return documents.sort((a, b) => (a.time < b.time ? -1 : 1)).at(-1);
}

/** What the newest preflight of this very object found out. */
function preflightResult(listed: Listed): PreflightProgress | undefined {
  const checks = ownPods(listed).filter(({ metadata }) => metadata?.labels?.[LABELS.component] === 'preflight');
  const documents = checks
    .sort((a, b) => (endedAt(a) < endedAt(b) ? -1 : 1))
    .map(lastDocument)
    .flatMap((document) => (document?.kind === 'preflight' ? [document] : []));
  return documents.at(-1);
}
