/** Jobs without a cluster: child processes for pods, with the Job controller's rules for failures, suspension and restarts. */
import { randomUUID } from 'node:crypto';
import { EXIT } from '../../crds/errors.ts';
import { type End, type Program, type Running, start, terminationMessage } from './processes.ts';

/** What a finished process left behind, read by whoever knows its documents. */
export type Ended = End & { readonly message: string | undefined };

type JobSpec<Task> = {
  readonly name: string;
  readonly task: Task;
  readonly digest: string;
  readonly backoffLimit: number;
  readonly program: Program;
};

export type LocalJob<Task> = {
  readonly spec: JobSpec<Task>;
  readonly uid: string;
  readonly createdAt: string;
  readonly state: 'active' | 'suspended' | 'succeeded' | 'failed';
  readonly deleting: boolean;
  readonly finishedAt: string | undefined;
  readonly podsFailed: number;
  readonly podsEnded: number;
  /** The process, while there is one. */
  readonly running: Running | undefined;
  /** Since when there has been none, for an active Job that waits to start another. */
  readonly idleSince: string | undefined;
  readonly last: Ended | undefined;
};

export type Jobs<Task> = {
  list(): readonly LocalJob<Task>[];
  create(spec: JobSpec<Task>): void;
  /** Foreground deletion: the Job stays, deleting, until its process has ended. Another uid of that name is left alone. */
  remove(uid: string): void;
  suspend(uid: string, suspended: boolean): void;
  /** Asks every process to save and end; none is started again. */
  close(): void;
};

/** Effects and tuning of Jobs. */
export type JobsOptions<Task> = {
  readonly now: () => Date;
  /** Called after every change. */
  readonly changed: () => void;
  readonly line: (job: LocalJob<Task>, text: string) => void;
  /** A number that grows with headway: restarts are delayed longer only while it stands still. */
  readonly headway: () => number;
  /** Milliseconds before the n-th start in a row without headway (n = 1 for the first restart). */
  readonly delay: (restarts: number) => number;
  /** True of a process that ended because another one still holds what it needs: it is started again, and its end counts for nothing. */
  readonly waits: (ended: Ended) => boolean;
};

/** Half a second, doubling to half a minute: a laptop's user watches, so this is quicker than a cluster's ten seconds to ten minutes. */
export const restartDelay = (restarts: number): number => Math.min(30_000, 500 * 2 ** (restarts - 1));

/** Starts after which the delay of a process that waits for another grows no more: the other is done within seconds. */
const WAITING_RESTARTS = 3;

type Entry<Task> = { job: LocalJob<Task>; idleEnds: number; headway: number; timer: NodeJS.Timeout | undefined };

/** A namespace of Jobs, empty at first. Jobs live as long as this process. */
export function createJobs<Task>(options: JobsOptions<Task>): Jobs<Task> {
  const entries = new Map<string, Entry<Task>>();
  let closed = false;
  const now = (): string => options.now().toISOString();

  const set = (entry: Entry<Task>, change: Partial<LocalJob<Task>>): void => {
    entry.job = { ...entry.job, ...change };
    options.changed();
  };

  const launch = (entry: Entry<Task>): void => {
    entry.timer = undefined;
    const running = start(entry.job.spec.program, (text) => options.line(entry.job, text));
    set(entry, { running, idleSince: undefined });
    void running.ended.then((end) => settle(entry, end));
  };

  const settle = async (entry: Entry<Task>, end: End): Promise<void> => {
    const message = await terminationMessage(entry.job.spec.program);
    const { job } = entry;
    const idle = { running: undefined, last: { ...end, message } };
    if (job.deleting) {
      entries.delete(job.uid);
      options.changed();
      return;
    }
    const after = outcome(job, end);
    if (after === 'succeeded' || after === 'failed') {
      const failed = after === 'failed' ? 1 : 0;
      set(entry, { ...idle, state: after, finishedAt: now(), podsFailed: job.podsFailed + failed, podsEnded: job.podsEnded + failed });
      return;
    }
    const waits = after === 'ignored' && options.waits(idle.last);
    // A process that a suspended Job stopped is no end of its own accord, as a pod deleted by the Job controller is none.
    const ends = job.state === 'suspended' || waits ? 0 : 1;
    set(entry, { ...idle, idleSince: now(), podsFailed: job.podsFailed + (after === 'counted' ? 1 : 0), podsEnded: job.podsEnded + ends });
    if (entry.job.state === 'active' && !closed) restart(entry, waits);
  };

  const restart = (entry: Entry<Task>, waits: boolean): void => {
    const headway = options.headway();
    entry.idleEnds = headway > entry.headway ? 1 : entry.idleEnds + 1;
    entry.headway = headway;
    entry.timer = setTimeout(() => launch(entry), options.delay(waits ? Math.min(entry.idleEnds, WAITING_RESTARTS) : entry.idleEnds));
  };

  return {
    list: () => [...entries.values()].map(({ job }) => job),
    create(spec) {
      if (closed || [...entries.values()].some(({ job }) => job.spec.name === spec.name)) return;
      const job: LocalJob<Task> = {
        spec,
        uid: randomUUID(),
        createdAt: now(),
        state: 'active',
        deleting: false,
        finishedAt: undefined,
        podsFailed: 0,
        podsEnded: 0,
        running: undefined,
        idleSince: now(),
        last: undefined,
      };
      const entry: Entry<Task> = { job, idleEnds: 0, headway: options.headway(), timer: undefined };
      entries.set(job.uid, entry);
      launch(entry);
    },
    remove(uid) {
      const entry = entries.get(uid);
      if (!entry) return;
      clearTimeout(entry.timer);
      if (entry.job.running) entry.job.running.stop();
      else entries.delete(uid);
      set(entry, { deleting: true });
    },
    suspend(uid, suspended) {
      const entry = entries.get(uid);
      if (!entry || entry.job.deleting || entry.job.finishedAt !== undefined) return;
      clearTimeout(entry.timer);
      if (suspended) {
        entry.job.running?.stop();
        set(entry, { state: 'suspended' });
      } else if (entry.job.state === 'suspended' && !entry.job.running) {
        set(entry, { state: 'active' });
        launch(entry);
      }
    },
    close() {
      closed = true;
      for (const entry of entries.values()) {
        clearTimeout(entry.timer);
        entry.job.running?.stop();
      }
    },
  };
}

/** What the end of a process means for its Job: podFailurePolicy of DESIGN (75 is ignored; 2, 3 and 4 fail the Job), then backoffLimit. */
function outcome<Task>(job: LocalJob<Task>, end: End): 'succeeded' | 'failed' | 'ignored' | 'counted' {
  switch (end.exitCode) {
    case EXIT.complete:
      return 'succeeded';
    case EXIT.stopped:
      return 'ignored';
    case EXIT.invalid:
    case EXIT.doesNotFit:
    case EXIT.storeUnavailable:
      return 'failed';
    case undefined:
    default:
      if (job.state === 'suspended') return 'ignored';
      return job.podsFailed + 1 > job.spec.backoffLimit ? 'failed' : 'counted';
  }
}
