/** When a checkpoint is due, and what goes into it: the session's variables, the loop's position and the log lines since the last one. */
import type { Waiting } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { scheduleAt } from '../../crds/schedule.ts';
import type { CheckpointContent } from '../checkpoint/checkpoint.ts';
import type { CheckpointState, CommittedCheckpoint } from '../checkpoint/format.ts';
import { type SaveEnd, startSaver } from '../checkpoint/saver.ts';
import { stagingFolder } from '../checkpoint/staging.ts';
import type { RunLog } from '../report/run-log.ts';
import type { Position } from './loop.ts';
import type { OpenRun } from './open-run.ts';
import type { Session } from './session.ts';
import type { StopRequest } from './stop.ts';
import type { Stopwatch } from './stopwatch.ts';
import { toTensorFiles } from './tensor-files.ts';
import type { Measured } from './tick-metrics.ts';

/** What ends with a checkpoint: the phase of a resolution, and with the last one the run, whose network says this of itself. */
export type PhaseEnd = Pick<CheckpointContent, 'phaseEnd' | 'finalNetwork'>;

export interface Checkpointer {
  /** The newest checkpoint of the run: the one restored, or the one saved last. */
  readonly newest: CommittedCheckpoint | undefined;
  /** Metrics of the averaged generator after `images`: they go into the checkpoint there, which is due. */
  measured(images: number, values: Measured): void;
  /** What the save in flight waits for. */
  readonly waiting: Waiting | undefined;
  /** By images or by wall clock, whichever comes first, once the save before it is through. */
  due(position: Position): boolean;
  /** Throws what went wrong in the background. Costs nothing. */
  check(): void;
  /** Copies the variables and saves them in the background. */
  begin(position: Position): Promise<void>;
  /**
   * Waits for what is in flight, then saves, and returns when that is done. After a request to stop, what is in flight is tried once, and
   * the new checkpoint staged before it is saved.
   */
  finish(position: Position, end?: PhaseEnd): Promise<Exclude<SaveEnd, { kind: 'abandoned' }>>;
  /** Ends the background thread. */
  close(): Promise<void>;
}

export type CheckpointerOptions = {
  readonly run: TrainingRun;
  readonly open: OpenRun;
  readonly session: Session;
  readonly log: RunLog;
  readonly watch: Stopwatch;
  readonly environment: CheckpointState['environment'];
  readonly stop: StopRequest;
  /** `seconds` from the copy of the variables to the commit; undefined where the store had to be waited for. */
  readonly committed: (checkpoint: CommittedCheckpoint, seconds: number | undefined) => void;
  readonly waiting: (reason: Waiting | undefined) => void;
  readonly remark: (text: string) => void;
};

export function createCheckpointer(options: CheckpointerOptions): Checkpointer {
  const { run, open, session, log, watch, stop } = options;
  const { writer, restored, origin } = open;
  let newest: CommittedCheckpoint | undefined = restored;
  let waiting: Waiting | undefined;
  /** To be called when the save in flight is committed. */
  let committed: (() => void) | undefined;
  let begun = { images: restored?.manifest.images ?? origin?.images ?? 0, seconds: watch.total() };
  let saving = { since: watch.total(), waited: false };
  let inFlight: Promise<SaveEnd> = Promise.resolve({ kind: 'saved' });

  const saver = startSaver(
    {
      uri: open.store.uri,
      s3: run.store,
      owner: writer.record,
      retention: { keepLast: run.checkpoints.keepLast, keepBest: run.checkpoints.keepBest },
      newest: restored && { key: restored.key, manifest: restored.manifest, ref: restored.ref },
      staging: stagingFolder(open.store.uri, open.record.fingerprint),
    },
    {
      committed(checkpoint) {
        newest = checkpoint;
        committed?.();
        options.committed(checkpoint, saving.waited ? undefined : watch.total() - saving.since);
      },
      waiting(reason) {
        waiting = reason;
        saving.waited ||= reason !== undefined;
        options.waiting(reason);
      },
      remark: options.remark,
    },
  );
  stop.onRequest(() => saver.stop());

  let measured: { readonly images: number; readonly values: Measured } | undefined;
  const environmentAt = ({ imagesAtIterationStart }: Position): CheckpointState['environment'] => {
    const { microbatch } = scheduleAt(run.schedule, imagesAtIterationStart);
    return { ...options.environment, ...(microbatch === undefined ? {} : { microbatch }) };
  };
  const contentAt = (position: Position, logs: CheckpointContent['logs'], end: PhaseEnd = {}): CheckpointContent => ({
    images: position.images,
    files: toTensorFiles(open.options.shape, session.snapshot()),
    state: {
      ...position,
      secondsTrained: watch.total(),
      secondsAtTickStart: watch.tickStart(),
      nextSnapshots: {},
      attempt: writer.attempt,
      environment: environmentAt(position),
    },
    logs,
    parent: newest,
    origin: origin?.checkpoint,
    ...end,
    metrics: measured?.images === position.images ? measured.values : undefined,
    time: new Date(),
  });
  const save = (position: Position, end?: PhaseEnd): Promise<SaveEnd> => {
    const pending = log.pending();
    saving = { since: watch.total(), waited: false };
    const last = stop.requested;
    // The lines of a save that was given up are in the last one too, which nothing follows.
    committed = last ? undefined : () => pending.committed();
    begun = { images: position.images, seconds: watch.total() };
    return saver.save({ content: contentAt(position, pending.logs, end), logs: log.whole(), last });
  };

  return {
    get newest() {
      return newest;
    },
    get waiting() {
      return waiting;
    },
    measured(images, values) {
      measured = { images, values };
    },
    due(position) {
      if (measured?.images === position.images && begun.images !== position.images) return true;
      if (saver.busy) return false;
      const { everyKimg, everySeconds } = run.checkpoints;
      return position.images - begun.images >= everyKimg * 1000 || watch.total() - begun.seconds >= everySeconds;
    },
    check: () => saver.check(),
    async begin(position) {
      // Only one that was measured cannot wait for another position.
      if (saver.busy) await inFlight;
      if (stop.requested) return;
      inFlight = save(position);
      // What goes wrong is thrown by check().
      inFlight.catch(() => undefined);
    },
    async finish(position, end) {
      for (;;) {
        if (!stop.requested) await inFlight;
        inFlight = save(position, end);
        const saved = await inFlight;
        if (saved.kind !== 'abandoned') return saved;
      }
    },
    close: () => saver.close(),
  };
}
