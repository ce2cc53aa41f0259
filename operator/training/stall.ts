/** Which failures wait for a person, with the reason that the status names and what can be done about it. */
import { EXIT } from '../../crds/errors.ts';
import type { Observed, ObservedJob, Task } from './observed.ts';
import type { Stall, TaskRecord } from '../../crds/v1alpha1/task-record.ts';

/** Ends in a row of any kind without a newer checkpoint, after which starting again is given up. */
const ENDS_WITHOUT_HEADWAY = 3;
/** How a person answers a stall on a cluster; the local driver has another way. */
export const ANSWER = 'then set the annotation pggan.dev/retry to a new value, or edit the phase';

/**
 * The result of a preflight is gone with its pod. A check does no harm, so that the first time another one is made without asking anyone
 * (records.ts).
 */
export const UNREADABLE = 'PreflightUnreadable';

/** The minibatch itself is part of what is trained and cannot be changed. */
export const MORE_MEMORY = 'raise its memory limit or set phases[].microbatch to work through its minibatch in parts';

/** What a person can do, by the fields of the kind: of a training unless another is given. */
type Advice = { readonly moreMemory: string; readonly answer: string };
const ADVICE: Advice = { moreMemory: MORE_MEMORY, answer: ANSWER };

/** The stall that a Job's present state amounts to; undefined where it goes on, or will be retried without anyone's help. */
export function stallOf(task: Task, record: TaskRecord, job: ObservedJob, seen: Observed, digest: string): Stall | undefined {
  const said = job.failure?.message ?? 'its pod left no message';
  const stall: Say = (reason, message) => ({ reason, message, digest });
  switch (job.state.kind) {
    case 'queued':
    case 'suspended':
      return undefined;
    case 'active': {
      const ends = endsInARow(record);
      if (ends < ENDS_WITHOUT_HEADWAY) return undefined;
      return (
        memoryStall(job, record, stall) ??
        stall('NoProgress', `${job.name} ended ${ends} times in a row without a newer checkpoint (${said}): read its log, ${ANSWER}`)
      );
    }
    case 'succeeded':
      return task.kind === 'preflight' ? preflightStall(seen, stall) : undefined;
    case 'failed':
      if (task.kind === 'preflight' && seen.preflight?.differences?.length) return preflightStall(seen, stall);
      return failedStall(job, stall);
  }
}

type Say = (reason: string, message: string) => Stall;

const endsInARow = (record: TaskRecord): number => (record.job?.ends ?? 0) - (record.headway?.ends ?? 0);

/** The stall of a Job that would be killed for memory again and again; undefined where it may yet go well. */
export function memoryStall(job: ObservedJob<unknown>, record: TaskRecord, stall: Say, advice = ADVICE): Stall | undefined {
  const ends = endsInARow(record);
  if (ends < ENDS_WITHOUT_HEADWAY || !job.failure?.outOfMemory) return undefined;
  return stall('OutOfMemory', `${job.name} ran out of memory ${ends} times in a row: ${advice.moreMemory}, ${advice.answer}`);
}

/** The stall of a failed Job; undefined for exit 4, which is retried without anyone's help. */
export function failedStall(job: ObservedJob<unknown>, stall: Say, { moreMemory, answer } = ADVICE): Stall | undefined {
  const said = job.failure?.message ?? 'its pod left no message';
  switch (job.failure?.exitCode) {
    case EXIT.storeUnavailable:
      return undefined;
    case EXIT.invalid:
      return stall('Invalid', `${said}; mend it, ${answer}`);
    case EXIT.doesNotFit:
      return stall('DoesNotFit', `${said}; ${answer}`);
    case undefined:
    default:
      if (job.failure?.outOfMemory) return stall('OutOfMemory', `${job.name} ran out of memory: ${moreMemory}, ${answer}`);
      return stall(
        'MaxRestartsExceeded',
        `${job.name} failed ${job.podsFailed} times, more often than maxRestarts allows (${said}): read its log, ${answer}`,
      );
  }
}

function preflightStall(seen: Observed, stall: Say): Stall | undefined {
  if (!seen.preflight)
    return stall(UNREADABLE, `the preflight ended well twice but its result could not be read: ${ANSWER.replace('then ', '')}`);
  const differences = seen.preflight.differences ?? [];
  if (differences.length === 0) return undefined;
  return stall(
    'FingerprintMismatch',
    `the run folder holds a run that differs in ${differences.join(', ')}: give this training another name, or delete that run folder, ${ANSWER}`,
  );
}
