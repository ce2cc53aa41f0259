/** The status of a PGGANTraining as plan() reads and writes it: conditions, one record per task, and the totals shown in columns. */
import type { Losses, SavedCheckpoint } from '../../crds/progress.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';
import type { Condition } from '../kube/conditions.ts';
import type { Counters } from './counters.ts';

export type ConditionType = 'Accepted' | 'Ready' | 'Progressing' | 'Suspended' | 'Succeeded' | 'Reconciling' | 'Stalled';

/** `job` is the uid of the Job that waits, or waited. */
export type PhaseWait = {
  readonly job: string;
  readonly queuedAt: string;
  readonly admittedAt?: string;
  readonly startedAt?: string;
  readonly seconds?: number;
};

export type PhaseRecord = TaskRecord & {
  readonly resolution: number;
  /** Images before the first and after the last step, by the schedule until the phase has ended, then as they were. */
  readonly startImages: number;
  readonly endImages: number;
  readonly attempts: number;
  readonly earlierAttempts?: number;
  /** Of the newest of these processes, where anyone tells. */
  readonly processStartedAt?: string;
  readonly wait?: PhaseWait;
  readonly losses?: Losses;
  readonly checkpoint?: SavedCheckpoint;
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
  readonly checkpoint?: SavedCheckpoint;
  readonly checkpointSeconds?: number;
  readonly fingerprint?: string;
  /** Size of the dataset file per resolution, from the preflight: a pod's scratch space is made from it. */
  readonly datasetBytes?: Readonly<Record<string, number>>;
  readonly lastHandledRetry?: string;
  readonly failures: number;
  readonly resumes: number;
} & Counters;
