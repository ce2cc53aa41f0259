/** How many processes have trained on a phase: those that its Jobs count, and those that no Job counts because they were told to end. */
import type { ObservedJob } from './observed.ts';
import type { PhaseRecord } from './status.ts';

type Processes = Pick<PhaseRecord, 'attempts' | 'earlierAttempts' | 'processStartedAt'>;

/**
 * A Job counts failures and shows pods that have ended. A pod that went because its Job was suspended or its node drained leaves nothing behind:
 * the process after it is known by its later start, even where it is first seen at its end. What a view of the past shows has started earlier
 * and counts for nothing.
 */
export function processesOf(known: PhaseRecord | undefined, job: ObservedJob | undefined): Processes {
  // A new Job counts its processes from one.
  const earlierAttempts = job && known?.job?.uid !== job.uid ? (known?.attempts ?? 0) : (known?.earlierAttempts ?? 0);
  const runs = job?.state.kind === 'active' && job.state.pod.kind === 'running';
  const own = job ? job.podsEnded + (runs || job.state.kind === 'succeeded' ? 1 : 0) : 0;
  const before = known?.processStartedAt;
  const last = job?.lastStartedAt;
  const another = last !== undefined && before !== undefined && Date.parse(last) > Date.parse(before);
  const processStartedAt = another ? last : (before ?? last);
  return {
    attempts: Math.max(earlierAttempts + own, (known?.attempts ?? 0) + (another ? 1 : 0)),
    ...(earlierAttempts > 0 && { earlierAttempts }),
    ...(processStartedAt !== undefined && { processStartedAt }),
  };
}
