/** Scalars of a run for TensorBoard: files `events.out.tfevents.*` of TFRecords of Event messages (event.proto, summary.proto). */
import type { Store } from '../checkpoint/store.ts';
import { bytesField, doubleField, floatField, integerField, textField } from '../data/protobuf-fields.ts';
import { framed } from '../data/tfrecord.ts';

const PREFIX = 'events.out.tfevents.';

export type EventsOptions = {
  /** The first step (in images) that this process may report. What earlier processes reported from here on is superseded and purged by readers. */
  readonly firstStep: number;
  /** Number of the process in the run, for the files' names. */
  readonly attempt: number;
  readonly now: () => Date;
  /** Asked before each write; throws when this process may no longer write to the run. */
  readonly guard: () => Promise<void>;
};

export interface EventsWriter {
  /** Adds values that hold after `images` real images; those that are not finite are left out. */
  add(images: number, scalars: Readonly<Record<string, number>>): void;
  /** Writes what was added since the last file into a new one. */
  flush(): Promise<void>;
  /** As `flush`, but not more often than once a minute. For ticks; a checkpoint flushes. */
  flushSometimes(): Promise<void>;
}

/**
 * The events of one process. Its files are written once and never changed: stores cannot append, and TensorBoard keeps reading the old
 * contents of a file that was replaced (seen with 2.19, with its Rust reader and with its Python one), but goes on with every new file.
 * Readers take the files by name: each is named after a time later than those of all before it, whatever the clocks of machines say.
 */
export async function createEventsWriter(store: Store, { firstStep, attempt, now, guard }: EventsOptions): Promise<EventsWriter> {
  let lastSecond = Math.max(0, ...(await store.list(PREFIX)).map(({ key }) => secondOf(key)));
  let flushedAt = now().getTime();
  let begun = false;
  let pending: Buffer[] = [];

  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    await guard();
    const events = pending;
    const start = begun ? [] : [event(now(), integerField(2, firstStep), bytesField(7, integerField(1, SESSION_START)))];
    const second = Math.max(Math.floor(now().getTime() / 1000), lastSecond + 1);
    const key = `${PREFIX}${String(second).padStart(10, '0')}.attempt-${attempt}`;
    await store.write(
      key,
      [event(now(), textField(3, FILE_VERSION)), ...start, ...events].map((message) => framed([message])),
    );
    lastSecond = second;
    flushedAt = now().getTime();
    begun = true;
    pending = pending.slice(events.length);
  };
  return {
    add(images, scalars) {
      const values = Object.entries(scalars).filter(([, value]) => Number.isFinite(value));
      const summary = Buffer.concat(values.map(([tag, value]) => bytesField(1, Buffer.concat([textField(1, tag), floatField(2, value)]))));
      pending = [...pending, event(now(), integerField(2, images), bytesField(5, summary))];
    },
    flush,
    async flushSometimes() {
      if (now().getTime() - flushedAt >= 60_000) await flush();
    },
  };
}

/** SessionLog.SessionStatus START: readers of this file version drop what they know from the event's step on. */
const SESSION_START = 1;
const FILE_VERSION = 'brain.Event:2';

function event(time: Date, ...content: readonly Buffer[]): Buffer {
  return Buffer.concat([doubleField(1, time.getTime() / 1000), ...content]);
}

function secondOf(key: string): number {
  const second = Number.parseInt(key.slice(PREFIX.length), 10);
  return Number.isFinite(second) ? second : 0;
}
