/** What the plan of a SynthesisJob is shown, and what it remembers. */
import type { SynthesisProgress } from '../../crds/progress.ts';
import type { SynthesisJob, SynthesisJobStatus } from '../../crds/v1alpha1/synthesis-job.ts';
import type { TrainingObject } from '../training/expectation.ts';
import type { ObservedJob, TerminatingPod } from '../training/observed.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';
import type { Condition } from '../kube/conditions.ts';

/** What its one Job does: all shards, from the checkpoint that was newest when the Job was created. */
export type SynthesisTask = { readonly kind: 'synthesize'; readonly checkpointUri: string };

export type ObservedSynthesis = {
  readonly jobs: readonly ObservedJob<SynthesisTask>[];
  readonly conflicts: readonly string[];
  readonly unfinishedPods: readonly string[];
  readonly terminatingPods?: readonly TerminatingPod[];
  /** The training of spec.trainingRef; absent when there is none of that name. */
  readonly training?: {
    readonly succeeded: boolean;
    readonly stalled: boolean;
    readonly checkpointUri?: string;
    /** Side of the images that its finished network draws. */
    readonly resolution?: number;
  };
  /** Shards whose process ended well: indexes of the Indexed Job. */
  readonly completedShards: readonly number[];
  /** The newest document of each shard that has one. */
  readonly progress: readonly { readonly shard: number; readonly document: SynthesisProgress }[];
};

export type SynthesisStatus = Omit<SynthesisJobStatus, 'conditions' | 'job'> & {
  readonly conditions: readonly Condition[];
  readonly task: TaskRecord;
};

export type SynthesisObject = {
  readonly metadata: TrainingObject['metadata'];
  readonly spec: SynthesisJob['spec'];
  readonly status?: SynthesisStatus;
};
