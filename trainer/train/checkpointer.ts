/** When a checkpoint is due, and what goes into it: the session's variables, the loop's position and the log lines since the last one. */
import type { TrainingRun } from '../../crds/run.ts';
import { saveCheckpoint } from '../checkpoint/checkpoint.ts';
import type { CheckpointState, CommittedCheckpoint } from '../checkpoint/format.ts';
import { applyRetention } from '../checkpoint/retention.ts';
import type { RunLog } from '../report/run-log.ts';
import type { Position } from './loop.ts';
import { type OpenRun, originRef } from './open-run.ts';
import type { Session } from './session.ts';
import { toTensorFiles } from './tensor-files.ts';
import type { Stopwatch } from './stopwatch.ts';

export interface Checkpointer {
  /** The newest checkpoint of the run: the one restored, or the one saved last. */
  readonly newest: CommittedCheckpoint | undefined;
  /** By images or by wall clock, whichever comes first. */
  due(position: Position): boolean;
  /** Saves, publishes the logs and removes what retention no longer wants. `phaseEnd` is the resolution whose phase ends here. */
  save(position: Position, phaseEnd?: number): Promise<CommittedCheckpoint>;
}

export type CheckpointerOptions = {
  readonly run: TrainingRun;
  readonly open: OpenRun;
  readonly session: Session;
  readonly log: RunLog;
  readonly watch: Stopwatch;
  readonly environment: CheckpointState['environment'];
};

export function createCheckpointer({ run, open, session, log, watch, environment }: CheckpointerOptions): Checkpointer {
  const { store, writer, options, restored, origin } = open;
  const guard = (): Promise<void> => writer.check();
  let newest: CommittedCheckpoint | undefined = restored;
  let savedAtSeconds = watch.total();
  return {
    get newest() {
      return newest;
    },
    due(position) {
      const images = position.images - (newest?.manifest.images ?? origin?.images ?? 0);
      return images >= run.checkpoints.everyKimg * 1000 || watch.total() - savedAtSeconds >= run.checkpoints.everySeconds;
    },
    async save(position, phaseEnd) {
      const pending = log.pending();
      const state: CheckpointState = {
        ...position,
        secondsTrained: watch.total(),
        secondsAtTickStart: watch.tickStart(),
        nextSnapshots: {},
        attempt: writer.attempt,
        environment,
      };
      newest = await saveCheckpoint(
        store,
        {
          images: position.images,
          files: toTensorFiles(options.shape, session.snapshot()),
          state,
          logs: pending.logs,
          parent: newest,
          origin: originRef(origin),
          phaseEnd,
          time: new Date(),
        },
        guard,
      );
      pending.committed();
      savedAtSeconds = watch.total();
      await log.publish(store);
      await applyRetention(store, newest, { keepLast: run.checkpoints.keepLast }, guard);
      return newest;
    },
  };
}
