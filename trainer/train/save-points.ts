/** The moments at which a phase saves: on its way, at its end, and when it is asked to stop; training's clock stands still meanwhile. */
import { setTimeout } from 'node:timers/promises';
import { EXIT, PgganError } from '../../crds/errors.ts';
import type { SaveEnd } from '../checkpoint/saver.ts';
import type { EventsWriter } from '../report/events.ts';
import type { Checkpointer, PhaseEnd } from './checkpointer.ts';
import type { Position } from './loop.ts';
import type { Reporter } from './reporter.ts';
import type { StopRequest } from './stop.ts';
import type { Stopwatch } from './stopwatch.ts';

type Kept = Exclude<SaveEnd, { kind: 'abandoned' }>;

export interface SavePoints {
  /** Begins a checkpoint. What training stands still for: the events before it, and the copy of all variables. */
  begin(position: Position): Promise<void>;
  /** Saves, and returns when that is done. */
  finish(position: Position, end?: PhaseEnd): Promise<Kept>;
  /** Ends on request: saves what is not saved yet, where `kept` does not say that it is, tells so, and returns the exit code. */
  leave(position: Position, kept?: Kept): Promise<number>;
  /** Waits while the store is full: training beyond a checkpoint that cannot be saved would only be lost. */
  roomForMore(): Promise<void>;
}

export type SavePointsOptions = {
  readonly checkpointer: Checkpointer;
  readonly events: EventsWriter;
  readonly reporter: Reporter;
  readonly watch: Stopwatch;
  readonly stop: StopRequest;
  readonly print: (line: string) => void;
};

export function createSavePoints({ checkpointer, events, reporter, watch, stop, print }: SavePointsOptions): SavePoints {
  const isFull = (): boolean => checkpointer.waiting?.code === 'StoreFull';
  const finish = (position: Position, end?: PhaseEnd): Promise<Kept> =>
    watch.maintenance(async () => {
      reporter.tell({ state: 'Checkpointing' });
      if (!stop.requested) await unlessStopping(stop, () => events.flush());
      // Somebody waits now, and nothing may stand before the checkpoint: not even a store that is away.
      const saving = checkpointer.finish(position, end);
      if (stop.requested) await Promise.allSettled([saving, unlessStopping(stop, () => events.flush())]);
      return saving;
    });
  return {
    begin: (position) =>
      watch.maintenance(async () => {
        reporter.tell({ state: 'Checkpointing' });
        await events.flush();
        await checkpointer.begin(position);
      }),
    finish,
    async leave(position, kept) {
      const isNews = position.images > (checkpointer.newest?.manifest.images ?? 0);
      const end = kept ?? (isNews ? await finish(position) : undefined);
      const message = `stopped on request (${stop.reason}) ${whereKept(end)}`;
      reporter.tell({ state: 'Stopped', images: position.images, failure: { code: 'Interrupted', message } }, true);
      print(`${message}; it stands at ${kimgText(position.images)} kimg`);
      return EXIT.stopped;
    },
    async roomForMore() {
      if (!isFull()) return;
      await watch.maintenance(async () => {
        while (isFull() && !stop.requested) {
          await setTimeout(100);
          checkpointer.check();
        }
      });
    },
  };
}

/** A store that fails once a stop is requested must not cost the last checkpoint; undefined where it did fail. */
export async function unlessStopping<T>(stop: StopRequest, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const ofStore = error instanceof PgganError && (error.code === 'StoreFull' || error.code === 'StoreUnavailable');
    if (stop.requested && ofStore) return undefined;
    throw error;
  }
}

export const kimgText = (images: number): string => (images / 1000).toFixed(1);

function whereKept(end: Kept | undefined): string {
  if (end?.kind !== 'staged') return 'after saving';
  return `after saving into ${end.folder}, from where the next start takes it to its store (${end.reason})`.slice(0, 900);
}
