/** Tries again what a store refuses for want of room, or because it is away for a while, until somebody asks to stop. */
import { setTimeout } from 'node:timers/promises';
import { PgganError } from '../../crds/errors.ts';
import type { Waiting } from '../../crds/progress.ts';
import type { Guard } from './checkpoint.ts';
import type { Store } from './store.ts';

/** How long a store may be away before the process gives up; whoever started it then tries again, with its own delays. */
export const OUTAGE_SECONDS = 120;
const LONGEST_DELAY_SECONDS = 15;

export type Patience = {
  /** Hears what is being waited for before every new try, and undefined once it is over. */
  readonly waiting: (reason: Waiting | undefined) => void;
  /** From then on every failure is final. */
  readonly stopped: () => boolean;
  readonly now: () => Date;
  /** Returns after so many seconds, or a little after `stopped()` holds. */
  readonly sleep: (seconds: number) => Promise<void>;
};

/** Patience that keeps real time. */
export function realPatience(waiting: Patience['waiting'], stopped: Patience['stopped']): Patience {
  return {
    waiting,
    stopped,
    now: () => new Date(),
    async sleep(seconds) {
      const end = performance.now() + seconds * 1000;
      while (!stopped() && performance.now() < end) await setTimeout(Math.min(100, end - performance.now()));
    },
  };
}

/**
 * The result of `work`, which is called again after StoreFull as often as it takes (a disk is cleared by people), and after StoreUnavailable
 * for OUTAGE_SECONDS; delays double from 1 s to 15 s. `work` must leave nothing behind when it fails.
 * @throws what `work` threw last
 */
export async function patiently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  const since = new Map<string, Date>();
  for (let delay = 1; ; delay = Math.min(delay * 2, LONGEST_DELAY_SECONDS)) {
    try {
      const result = await work();
      if (since.size > 0) patience.waiting(undefined);
      return result;
    } catch (error) {
      if (!(error instanceof PgganError) || patience.stopped()) throw error;
      const began = since.get(error.code) ?? patience.now();
      since.set(error.code, began);
      if (!mayPass(error, (patience.now().getTime() - began.getTime()) / 1000)) throw error;
      patience.waiting({ code: error.code, message: error.message.slice(0, 1024), since: began.toISOString() });
      await patience.sleep(delay);
    }
  }
}

function mayPass({ code }: PgganError, seconds: number): boolean {
  return code === 'StoreFull' || (code === 'StoreUnavailable' && seconds < OUTAGE_SECONDS);
}

/** A store whose verbs are patient, and whose changes are made only while `guard` lets them. */
export function patientStore(store: Store, guard: Guard, patience: Patience): Store {
  return {
    uri: store.uri,
    list: (prefix) => patiently(() => store.list(prefix), patience),
    head: (key) => patiently(() => store.head(key), patience),
    read: (key) => patiently(() => store.read(key), patience),
    readRange: (key, start, end) => patiently(() => store.readRange(key, start, end), patience),
    write: (key, parts, condition) => patiently(() => guard().then(() => store.write(key, parts, condition)), patience),
    upload: (key, file, condition) => patiently(() => guard().then(() => store.upload(key, file, condition)), patience),
    download: (key, file) => patiently(() => store.download(key, file), patience),
    remove: (key) => patiently(() => guard().then(() => store.remove(key)), patience),
  };
}
