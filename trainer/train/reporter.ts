/** What a training process tells while it runs: the progress document, the termination message, and at each tick a log line and a picture. */
import type { Losses, TrainingProgress, Waiting } from '../../crds/progress.ts';
import { PROGRESS_VERSION } from '../../crds/progress.ts';
import type { Moment } from '../../crds/schedule.ts';
import { eventScalars } from '../report/event-scalars.ts';
import type { EventsWriter } from '../report/events.ts';
import type { RunLog } from '../report/run-log.ts';
import type { ReportServer } from '../report/server.ts';
import { writeTermination } from '../report/termination.ts';
import type { Position } from './loop.ts';
import type { Stopwatch } from './stopwatch.ts';
import { meansOf, type Sums } from './tick.ts';
import type { Measured } from './tick-metrics.ts';

export interface Reporter {
  /** Brings the progress document up to date; served at once, left as the termination message only where `lasting`. */
  tell(change: Partial<TrainingProgress>, lasting?: boolean): void;
  /** Says what training waits for, while it does; keeps the watchdog quiet. */
  waiting(reason: Waiting | undefined): void;
  /** A D+G pair is done. */
  stepped(position: Position, moment: Moment): void;
  /** Writes the tick's lines, with the metrics that were measured at its end. */
  tick(position: Position, moment: Moment, sums: Sums, metrics?: Measured): void;
}

export type ReporterOptions = {
  readonly server: ReportServer;
  readonly phaseEndImages: number;
  readonly resolution: number;
  readonly now: () => Date;
};

/** Reports before and during training; `trainingStarts` hands over what is known only once the run is open. */
export function createReporter(options: ReporterOptions): Reporter & { trainingStarts(context: TickContext): void } {
  const { server, now } = options;
  let context: TickContext | undefined;
  let progress: TrainingProgress = {
    version: PROGRESS_VERSION,
    kind: 'training',
    state: 'Starting',
    resolution: options.resolution,
    phaseEndImages: options.phaseEndImages,
    images: 0,
    lod: 0,
    tick: 0,
    minibatch: 0,
    epochs: 0,
    attempt: 0,
    time: now().toISOString(),
  };
  const tell = (change: Partial<TrainingProgress>, lasting = false): void => {
    progress = { ...progress, ...change, time: now().toISOString() };
    server.update(progress);
    if (lasting) writeTermination(progress);
  };
  const where = (position: Position, moment: Moment) => ({
    images: position.images,
    lod: moment.lod,
    minibatch: moment.minibatch,
    epochs: position.images / (context?.datasetImages ?? 1),
  });

  return {
    tell,
    trainingStarts(started) {
      context = started;
    },
    waiting(reason) {
      const { waiting: _before, ...rest } = progress;
      progress = rest;
      tell(reason ? { waiting: reason } : {}, true);
      server.step();
    },
    stepped(position, moment) {
      tell({ state: Number.isInteger(moment.lod) ? 'Training' : 'FadingIn', ...where(position, moment) });
      server.step();
    },
    tick(position, moment, sums, metrics) {
      if (!context) return;
      const { seconds, maintenance } = context.watch.endTick();
      const kimg = (position.images - context.imagesAtTickStart()) / 1000;
      const scalars = meansOf(sums);
      const losses = lossesOf(scalars);
      const secondsPerKimg = seconds / kimg;
      const tick = {
        ...where(position, moment),
        tick: position.tick,
        resolution: moment.resolution,
        secondsTotal: context.watch.total(),
        secondsPerTick: seconds,
        secondsPerKimg,
        secondsMaintenance: maintenance,
        metrics,
      };
      context.log.tick({
        ...tick,
        losses,
        scalars: { generatorFinite: scalars['G.finite'] ?? 0, discriminatorFinite: scalars['D.finite'] ?? 0 },
        time: now(),
      });
      context.events.add(position.images, eventScalars(tick, moment, scalars));
      // Losses that are no numbers must not leave the last good ones standing.
      const { losses: _before, ...rest } = progress;
      progress = rest;
      const measured = metrics ? { metrics: { images: position.images, values: metrics } } : {};
      tell(
        { tick: position.tick, ...(losses ? { losses } : {}), ...measured, secondsPerKimg, imagesPerSecond: 1000 / secondsPerKimg },
        true,
      );
    },
  };
}

export type TickContext = {
  readonly log: RunLog;
  readonly events: EventsWriter;
  readonly watch: Stopwatch;
  readonly datasetImages: number;
  /** Images at the start of the tick that is ending. */
  readonly imagesAtTickStart: () => number;
};

function lossesOf(scalars: Readonly<Record<string, number>>): Losses | undefined {
  const names = {
    generator: 'G.loss',
    discriminator: 'D.loss',
    realScores: 'D.realScores',
    fakeScores: 'D.fakeScores',
    mixedScores: 'D.mixedScores',
    gradientNorm: 'D.mixedNorms',
  };
  const values = Object.entries(names).map(([field, name]) => [field, scalars[name]] as const);
  // A tick in which every value was infinite or no number has no losses to tell.
  return values.every(([, value]) => value !== undefined) ? (Object.fromEntries(values) as Losses) : undefined;
}
