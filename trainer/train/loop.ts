/** The training loop: outer iterations of D and G steps through one phase of the schedule, with ticks and checkpoints as they fall due. */
import { setImmediate } from 'node:timers/promises';
import type { TrainingRun } from '../../crds/run.ts';
import { type Moment, resetsOptimizer, scheduleAt } from '../../crds/schedule.ts';
import type { CheckpointState } from '../checkpoint/format.ts';
import { adamFeeds, fadeOf } from './feeds.ts';
import type { FeedStream } from './feed-stream.ts';
import type { PairFeeds } from './feed-worker.ts';
import { phaseOver } from './pairs.ts';
import type { Scalars, Session } from './session.ts';
import type { ProgramKey } from './step-options.ts';
import { addSample, prefixed, type Sums } from './tick.ts';

/** Where a run stands between two D+G pairs: with the variables' values, everything needed to go on exactly. */
export type Position = Pick<
  CheckpointState,
  'images' | 'imagesAtIterationStart' | 'repeatIndex' | 'previousLod' | 'adamStep' | 'tick' | 'imagesAtTickStart' | 'tickSums'
>;

export const START: Position = {
  images: 0,
  imagesAtIterationStart: 0,
  repeatIndex: 0,
  previousLod: null,
  adamStep: { generator: 0, discriminator: 0 },
  tick: 0,
  imagesAtTickStart: 0,
  tickSums: {},
};

/** What the loop tells while it runs. Each is awaited. */
export interface LoopEvents {
  /** A D+G pair is done. */
  stepped(position: Position, moment: Moment): void | Promise<void>;
  /** A tick is over; `position` already counts the next one, `sums` are those of the tick. */
  tick(position: Position, moment: Moment, sums: Sums): Promise<void>;
  /** Whether a checkpoint is due; asked after every D+G pair. */
  checkpointDue(position: Position): boolean;
  checkpoint(position: Position, moment: Moment): Promise<void>;
  /** Whether to stop; asked after every D+G pair. */
  stopRequested(): boolean;
}

export type LoopEnd = { readonly reason: 'phaseComplete' | 'stopRequested'; readonly position: Position };

/**
 * Trains from `start` until the schedule asks for more than `resolution`, or totalKimg is reached, or a stop is requested.
 * No checkpoint is written at either end: that is the caller's.
 */
export async function trainLoop(
  run: TrainingRun,
  resolution: number,
  feeds: FeedStream,
  session: Session,
  start: Position,
  events: LoopEvents,
): Promise<LoopEnd> {
  const endOfRun = run.totalKimg * 1000;
  let position = start;
  if (position.repeatIndex > 0) session.enter(programKey(scheduleAt(run.schedule, position.imagesAtIterationStart)));
  for (;;) {
    if (position.repeatIndex === 0) {
      if (phaseOver(run, resolution, position.images)) return { reason: 'phaseComplete', position };
      position = startIteration(run, session, position, scheduleAt(run.schedule, position.images));
    }
    const moment = scheduleAt(run.schedule, position.imagesAtIterationStart);
    position = trainPair(run, await feeds.next(position.images), session, position, moment);
    await events.stepped(position, moment);
    const tickOver = position.images >= position.imagesAtTickStart + moment.tickKimg * 1000 || position.images >= endOfRun;
    if (position.repeatIndex === 0 && tickOver) {
      const { tickSums: sums } = position;
      position = { ...position, tick: position.tick + 1, imagesAtTickStart: position.images, tickSums: {} };
      await events.tick(position, moment, sums);
    }
    // A step blocks the process; signals and the end of a parent arrive here.
    await setImmediate();
    // At the very end of a phase its own checkpoint is due, whatever else is asked for.
    if (position.repeatIndex === 0 && phaseOver(run, resolution, position.images)) return { reason: 'phaseComplete', position };
    if (events.stopRequested()) return { reason: 'stopRequested', position };
    if (events.checkpointDue(position)) await events.checkpoint(position, moment);
  }
}

/** What the program of a moment is compiled for. */
export function programKey(moment: Moment): ProgramKey {
  const { resolution, minibatch, microbatch } = moment;
  return { resolution, minibatch, microbatch, fading: fadeOf(moment.lod) > 0 };
}

function startIteration(run: TrainingRun, session: Session, position: Position, moment: Moment): Position {
  session.enter(programKey(moment));
  const reset = run.optimizer.resetForNewLod && resetsOptimizer(position.previousLod ?? undefined, moment.lod);
  if (reset) session.resetOptimizer();
  return {
    ...position,
    imagesAtIterationStart: position.images,
    previousLod: moment.lod,
    adamStep: reset ? { generator: 0, discriminator: 0 } : position.adamStep,
  };
}

function trainPair(run: TrainingRun, feeds: PairFeeds, session: Session, position: Position, moment: Moment): Position {
  const { images, adamStep } = position;
  const { discriminatorLearningRate, generatorLearningRate } = moment;
  const D = session.step('discriminator', {
    ...feeds.discriminator,
    ...adamFeeds(run.optimizer, discriminatorLearningRate, adamStep.discriminator),
  });
  const G = session.step('generator', { ...feeds.generator, ...adamFeeds(run.optimizer, generatorLearningRate, adamStep.generator) });
  return {
    ...position,
    images: images + moment.minibatch,
    repeatIndex: (position.repeatIndex + 1) % run.schedule.minibatchRepeats,
    adamStep: { generator: adamStep.generator + updated(G), discriminator: adamStep.discriminator + updated(D) },
    tickSums: addSample(position.tickSums, { ...prefixed('D', D), ...prefixed('G', G) }),
  };
}

/** Adam counts an update only where it took place: a gradient that is not finite skips it. */
function updated(scalars: Scalars): 0 | 1 {
  return scalars['finite'] === 1 ? 1 : 0;
}
