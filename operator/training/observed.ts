/** What plan() is shown of the world: Jobs, pods and documents, read whole each time and never as events. */
import type { PreflightProgress, TrainingProgress } from '../../crds/progress.ts';

/** What a Job does for a training. `endImages` is where its phase ended when the Job was created: raising totalKimg moves the end. */
export type Task = { readonly kind: 'preflight' } | { readonly kind: 'train'; readonly resolution: number; readonly endImages: number };

/** Why a Job or its last process failed. */
export type JobFailure = {
  /** Of the last process that ended; absent where none could be read (lost node, never started). */
  readonly exitCode?: number;
  readonly outOfMemory: boolean;
  /** For people: the trainer's own words where there are any. */
  readonly message: string;
};

export type JobState =
  /** Created suspended, waiting for a queue to admit it. */
  | { readonly kind: 'queued' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'active'; readonly pod: PodState }
  | { readonly kind: 'succeeded'; readonly finishedAt: string }
  | { readonly kind: 'failed'; readonly finishedAt: string };

export type PodState =
  /** No pod yet: `message` is why its creation was refused (quota, pod security), if that is known. */
  | { readonly kind: 'none'; readonly since: string; readonly message?: string }
  /** A pod that is not placed or not started yet. */
  | { readonly kind: 'pending'; readonly message?: string }
  | { readonly kind: 'running' }
  /** Terminating for longer than its grace and a minute: its node is gone, and Kubernetes replaces nothing. */
  | { readonly kind: 'lost'; readonly since: string };

/** An end of a pod, past or surely to come, of which a counter tells; or one that was asked for, of which none ever will. */
export type PodFate = { readonly uid: string; readonly createdAt: string; readonly disrupted: boolean; readonly outOfMemory: boolean };

/** How far a Job has come on its way to a process. `since`: when it was created, or stopped by its queue; `startedAt`: when its first pod ran. */
export type JobTimes =
  | { readonly kind: 'queued'; readonly since: string }
  | { readonly kind: 'admitted'; readonly at: string; readonly startedAt?: string };

/** A pod that has been told to end, and has not: when its node will count as lost, or was found to be. */
export type TerminatingPod = { readonly name: string; readonly lostAt: string };

export type ObservedJob<T = Task> = {
  readonly name: string;
  readonly uid: string;
  readonly task: T;
  /** Digest of the parts of the spec from which it was built (digest.ts). */
  readonly digest: string;
  /** True once its deletion was asked for; it stays until its pods are gone. */
  readonly deleting: boolean;
  /** True once its ttlSecondsAfterFinished is set. */
  readonly expires: boolean;
  readonly state: JobState;
  /** Whether a queue decides when it runs. */
  readonly inQueue: boolean;
  readonly createdAt: string;
  /** Absent while it is suspended on request, and where nobody tells. */
  readonly times?: JobTimes;
  /** Failures that its Job counted (status.failed). */
  readonly podsFailed: number;
  /** Those of them that are known to have found no store; absent where none is. */
  readonly podsWithoutStore?: number;
  /** Pods that ended in any way but success, those that no Job counts (exit 75, eviction) included; but none that found its run taken. */
  readonly podsEnded: number;
  /**
   * What the newest process said, where it ended because another one may still write to the run (after a crash its lease has to run out first),
   * and since when the processes of this Job have said so.
   */
  readonly runTaken?: { readonly since: string; readonly message: string };
  /** When the newest of its processes started, whether or not it has ended, that did not find its run taken; absent where none is, and where nobody tells. */
  readonly lastStartedAt?: string;
  /** Of the pod that ended last without success. */
  readonly failure?: JobFailure;
};

/** What the Job is for that deletes the run folder of a deleted training. */
export type DeletionTask = { readonly kind: 'deleteRun' };

export type Observed = {
  /** Jobs owned by this training's uid. */
  readonly jobs: readonly ObservedJob[];
  /** Names of Jobs of ours that someone else owns. */
  readonly conflicts: readonly string[];
  /** Names of pods labelled with this training's name that have not ended, whatever their owner's uid. */
  readonly unfinishedPods: readonly string[];
  /** Of pods of its Jobs, as long as they are there. */
  readonly fates?: readonly PodFate[];
  /** Those of them that have been told to end; absent where nothing is known of that. */
  readonly terminatingPods?: readonly TerminatingPod[];
  /** The preflight's result, read from its termination message. */
  readonly preflight?: PreflightProgress;
  /** The newest progress document, and since when (by our clock) its `images` have not moved. `fresh`: read within the last poll interval. */
  readonly progress?: { readonly document: TrainingProgress; readonly fresh: boolean; readonly unmovedSince: string };
  /** The training that spec.initFrom names: absent when none is named or it is a URI. */
  readonly source?: { readonly name: string; readonly ready: boolean; readonly message: string };
  /** The Job that deletes this training's run folder. No garbage collector may take it for a part of the training, so it has no owner. */
  readonly runDeletion?: ObservedJob<DeletionTask>;
  /** What the server said when that Job was to be created and could not be. */
  readonly runDeletionRefused?: string;
};
