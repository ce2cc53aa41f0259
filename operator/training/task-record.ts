/** What is remembered of one task's Jobs: counters, headway, outages of the store, and answers to failures. */
import { EXIT } from '../../crds/errors.ts';
import type { ObservedJob } from './observed.ts';
import type { TaskRecord } from '../../crds/v1alpha1/task-record.ts';

export const NEW_RECORD: TaskRecord = { state: 'Pending', earlierFailures: 0, forgivenFailures: 0 };

/** All failures that were ever counted for a task. */
export function failuresOf(record: TaskRecord): number {
  return record.earlierFailures + (record.job?.failures ?? 0);
}

/** A failure that a person answered: forgiven, with a fresh budget of restarts. */
export function answer(record: TaskRecord, job: ObservedJob<unknown> | undefined): TaskRecord {
  const { stall: _stall, storeFailure: _storeFailure, headway: _headway, ...rest } = record;
  const uid = job?.uid ?? record.job?.uid;
  return { ...rest, state: 'Pending', forgivenFailures: failuresOf(record), ...(uid !== undefined && { dismissed: uid }) };
}

/** What the work of a task has come to, in images. */
export type Done = {
  /** Saved for good. */
  readonly saved: number;
  /** Shown by a process of this very task, live or ended. */
  readonly shown: number;
  /** Whether a process is at work at this moment, which is not before it has reached its store. */
  readonly atWork: boolean;
};

/** Counters of a Job are taken as they stand, never added up per event; a new uid files the old one's failures away. */
export function count(before: TaskRecord, job: ObservedJob<unknown>, done: Done): TaskRecord {
  const same = before.job?.uid === job.uid ? before.job : undefined;
  // A pod that found no store is one that its Job counts and we do not: it spends none of maxRestarts.
  const storeless = job.podsWithoutStore ?? (job.state.kind === 'failed' && job.failure?.exitCode === EXIT.storeUnavailable ? 1 : 0);
  const failures = Math.max(same?.failures ?? 0, job.podsFailed - storeless);
  const ends = Math.max(same?.ends ?? 0, job.podsEnded);
  const earlierFailures = same ? before.earlierFailures : failuresOf(before);
  const finished = job.state.kind === 'succeeded' ? { completionTime: job.state.finishedAt } : {};
  const { storeFailure: _, ...rest } = before;
  // Where its pods are gone before anyone has looked, and where nobody tells, it began with its Job.
  const ran = job.state.kind === 'succeeded' || (job.state.kind === 'active' && job.state.pod.kind === 'running');
  const firstStartedAt = (job.times?.kind === 'admitted' ? job.times.startedAt : undefined) ?? job.lastStartedAt;
  const startTime = before.startTime ?? firstStartedAt ?? (ran ? job.createdAt : undefined);
  const storeFailure = storeFailureOf(before, job, done);
  return {
    ...rest,
    earlierFailures,
    job: { name: job.name, uid: job.uid, failures, ends },
    headway: headwayOf(before, job.uid, done.saved, same ? ends : 0),
    ...(storeFailure && { storeFailure }),
    ...(startTime !== undefined && { startTime }),
    ...finished,
  };
}

function headwayOf(before: TaskRecord, uid: string, images: number, ends: number): NonNullable<TaskRecord['headway']> {
  const known = before.headway;
  if (known?.uid !== uid) return { uid, images: Math.max(images, known?.images ?? 0), ends };
  return images > known.images ? { uid, images, ends } : known;
}

/** The row of ends with exit 4 is over as soon as there is work after it. */
function storeFailureOf(before: TaskRecord, job: ObservedJob<unknown>, { shown, atWork }: Done): TaskRecord['storeFailure'] {
  const over = atWork || shown > (before.storeFailure?.images ?? shown);
  const row = over ? undefined : before.storeFailure;
  if (job.state.kind === 'succeeded') return undefined;
  if (job.state.kind !== 'failed' || job.failure?.exitCode !== EXIT.storeUnavailable) return row;
  return row ?? { since: job.state.finishedAt, images: shown };
}

/** Where a piece of work stands by its Job alone. */
export function stateByJob(job: Pick<ObservedJob<unknown>, 'state'> | undefined, stalled: boolean): TaskRecord['state'] {
  if (stalled) return 'Stalled';
  switch (job?.state.kind) {
    case undefined:
    case 'failed':
      return 'Pending';
    case 'queued':
      return 'Queued';
    case 'suspended':
      return 'Suspended';
    case 'active':
      return 'Running';
    case 'succeeded':
      return 'Complete';
  }
}
