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

/** A store whose verbs are patient, and whose changes are made only while `guard` lets them. Verbs that wait at the same time tell of it as one. */
export function patientStore(store: Store, guard: Guard, patience: Patience): Store {
  const speak = oneVoice(patience.waiting);
  const wait = async <T>(work: () => Promise<T>): Promise<T> => {
    const { waiting, leave } = speak();
    try {
      return await patiently(work, { ...patience, waiting });
    } finally {
      leave();
    }
  };
  const change = <T>(work: () => Promise<T>): Promise<T> => wait(() => guard().then(work));
  return {
    uri: store.uri,
    list: (prefix) => wait(() => store.list(prefix)),
    head: (key) => wait(() => store.head(key)),
    read: (key, maxBytes) => wait(() => store.read(key, maxBytes)),
    readRange: (key, start, end) => wait(() => store.readRange(key, start, end)),
    write: (key, parts, condition) => change(() => store.write(key, parts, condition)),
    upload: (key, file, condition) => change(() => store.upload(key, file, condition)),
    download: (key, file) => wait(() => store.download(key, file)),
    remove: (key) => change(() => store.remove(key)),
  };
}

type Speaker = { readonly waiting: Patience['waiting']; readonly leave: () => void };

/** What is told of several that wait: the reason that has lasted longest, and undefined once none of them waits any more. */
function oneVoice(tell: Patience['waiting']): () => Speaker {
  const reasons = new Map<symbol, Waiting>();
  return () => {
    const speaker = Symbol('speaker');
    return {
      waiting(reason) {
        if (reason) reasons.set(speaker, reason);
        else reasons.delete(speaker);
        tell([...reasons.values()].sort((a, b) => Date.parse(a.since) - Date.parse(b.since))[0]);
      },
      leave: () => void reasons.delete(speaker),
    };
  };
}
