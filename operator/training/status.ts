/** The status of a PGGANTraining as plan() reads and writes it: conditions, one record per task, and the totals shown in columns. */
import type { CheckpointRef, Losses } from '../../crds/progress.ts';

export type ConditionStatus = 'True' | 'False' | 'Unknown';
export type ConditionType = 'Accepted' | 'Ready' | 'Progressing' | 'Suspended' | 'Succeeded' | 'Reconciling' | 'Stalled';

export type Condition = {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
};

/** A failure that waits for a person. It is left by an edit that changes `digest`, or by a new value of the retry annotation. */
export type Stall = { readonly reason: string; readonly message: string; readonly digest: string };

/** What is remembered about one task (the preflight, or one phase) when its Job is gone. */
export type TaskRecord = {
  readonly state: 'Pending' | 'Queued' | 'Suspended' | 'Running' | 'Complete' | 'Stalled';
  /** Its newest Job. The failures of the Jobs before it are `earlierFailures`. */
  readonly job?: { readonly name: string; readonly uid: string; readonly failures: number; readonly ends: number };
  readonly earlierFailures: number;
  /** Failures that a person's retry has forgiven: maxRestarts counts what came after. */
  readonly forgivenFailures: number;
  /** Images of the newest checkpoint when they last advanced, and how many processes of the Job had ended by then. */
  readonly headway?: { readonly uid: string; readonly images: number; readonly ends: number };
  /** The first of an unbroken row of ends with exit 4, and the images shown by then. */
  readonly storeFailure?: { readonly since: string; readonly images: number };
  readonly stall?: Stall;
  /** Uid of a Job whose failure was answered by a retry or an edit: while it lingers it is as good as gone. */
  readonly dismissed?: string;
  readonly startTime?: string;
  readonly completionTime?: string;
};

export type PhaseRecord = TaskRecord & {
  readonly resolution: number;
  /** Images before the first and after the last step, by the schedule until the phase has ended, then as they were. */
  readonly startImages: number;
  readonly endImages: number;
  readonly attempts: number;
  readonly losses?: Losses;
  readonly checkpoint?: CheckpointRef;
};

export type TrainingStatus = {
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
  /** Of the phase that runs now or next. */
  readonly resolution?: number;
  readonly totalKimg?: number;
  readonly progressPercent?: number;
  readonly estimatedCompletionTime?: string;
  readonly preflight: TaskRecord;
  readonly phases: readonly PhaseRecord[];
  readonly checkpoint?: CheckpointRef;
  readonly fingerprint?: string;
  /** Size of the dataset file per resolution, from the preflight: a pod's scratch space is made from it. */
  readonly datasetBytes?: Readonly<Record<string, number>>;
  readonly lastHandledRetry?: string;
  readonly failures: number;
  readonly resumes: number;
};
