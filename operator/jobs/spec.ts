/** The spec of a Job: how its pods' ends are counted. Every rule here has a twin in operator/local/jobs.ts. */
import { EXIT } from '../../crds/errors.ts';
import { TRAINER_CONTAINER } from './pod.ts';
import type { JobSpec, PodTemplateSpec } from './wire.ts';

type Rule = NonNullable<JobSpec['podFailurePolicy']>['rules'][number];

const onExit = (action: string, ...values: readonly number[]): Rule => ({
  action,
  onExitCodes: { containerName: TRAINER_CONTAINER, operator: 'In', values },
});

/** Evictions, preemptions and stops on request are nobody's failure: the next pod goes on from the checkpoint. */
const IGNORED: readonly Rule[] = [
  { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  onExit('Ignore', EXIT.stopped),
];

const COMMON = {
  // A replacement starts once its predecessor has ended: there is one writer.
  podReplacementPolicy: 'Failed',
} as const;

/** One pod at a time, to the end of one task. What another try cannot mend fails the Job at once. */
export function singleJob(template: PodTemplateSpec, backoffLimit: number, suspend: boolean): JobSpec {
  return {
    ...COMMON,
    completions: 1,
    parallelism: 1,
    completionMode: 'NonIndexed',
    backoffLimit,
    podFailurePolicy: { rules: [...IGNORED, onExit('FailJob', EXIT.invalid, EXIT.doesNotFit, EXIT.storeUnavailable)] },
    suspend,
    template,
  };
}

/**
 * One pod per shard, all at once, each with failures of its own. A shard that is refused leaves the others alone, until more than half have
 * failed: that is no accident of single nodes. Memory and the store are the same for all.
 */
export function shardedJob(template: PodTemplateSpec, shards: number, backoffLimit: number, suspend: boolean): JobSpec {
  return {
    ...COMMON,
    completions: shards,
    parallelism: shards,
    completionMode: 'Indexed',
    backoffLimitPerIndex: backoffLimit,
    maxFailedIndexes: Math.ceil(shards / 2),
    podFailurePolicy: {
      rules: [...IGNORED, onExit('FailIndex', EXIT.invalid), onExit('FailJob', EXIT.doesNotFit, EXIT.storeUnavailable)],
    },
    suspend,
    template,
  };
}
