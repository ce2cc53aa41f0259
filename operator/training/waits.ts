/** How long a phase has waited for its pod: first for its queue, where it has one, then for a node and its image. */
import type { JobTimes, ObservedJob } from './observed.ts';
import type { PhaseWait } from './status.ts';

/**
 * The wait of a Job, told by times that the cluster keeps: the same however often it is looked at, and remembered when pods are gone. A Job
 * that was stopped and goes on waits anew.
 */
export function waitOf(before: PhaseWait | undefined, { uid, createdAt, times }: ObservedJob<unknown>): PhaseWait | undefined {
  const known = before?.job === uid ? before : undefined;
  switch (times?.kind) {
    case undefined:
      return before;
    case 'queued':
      return { job: uid, queuedAt: times.since };
    case 'admitted':
      // Without a queue nobody asks when it was admitted before its pod starts: most do so at once, and both are written down together.
      if (!known && times.startedAt === undefined) return before;
      return admitted(known, uid, createdAt, times);
  }
}

function admitted(
  known: PhaseWait | undefined,
  job: string,
  createdAt: string,
  { at, startedAt }: Extract<JobTimes, { kind: 'admitted' }>,
) {
  const again = known?.admittedAt !== undefined && known.admittedAt !== at;
  // One that went on before anybody saw it wait did so at once, as far as anybody knows.
  const queuedAt = again ? at : (known?.queuedAt ?? createdAt);
  const started = (again ? undefined : known?.startedAt) ?? startedAt;
  const wait = { job, queuedAt, admittedAt: at };
  return started === undefined ? wait : { ...wait, startedAt: started, seconds: secondsBetween(queuedAt, started) };
}

/** Clocks of two machines differ: nobody waits for less than nothing. */
export function secondsBetween(from: string, to: string): number {
  return Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
}
