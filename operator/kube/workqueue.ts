/**
 * The queue between events and workers, with the semantics of client-go's workqueue.
 * It survives storms (a key that waits is not queued twice), changes during work (a key added while it is worked on comes back afterwards, and
 * is never worked on twice at once), failures in a row (each key backs off by itself) and failures everywhere (one token bucket bounds all retries).
 */
import { exponential } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';
import { createTokenBucket, type Rate } from './token-bucket.ts';

export interface WorkQueue {
  /** Asks for work on a key; one that waits already still waits once. */
  add(key: string): void;
  /** Adds the key so many seconds from now; of several such wishes the earliest wins. */
  addAfter(key: string, seconds: number): void;
  /** Adds the key after its own backoff, but not before `leastSeconds` nor before the bucket that bounds all retries lets it. */
  retry(key: string, leastSeconds?: number): void;
  /** Ends the backoff of a key: it has been worked on without failure. */
  forget(key: string): void;
  /** The next key; it must be given back by done(). Undefined once the queue is shut down. */
  take(): Promise<string | undefined>;
  done(key: string): void;
  /**
   * Takes nothing in and hands nothing out any more; resolves when no key is being worked on. What still waited is dropped, other than in
   * client-go: the next process lists everything anyway, and a lease is given up the sooner.
   */
  shutDown(): Promise<void>;
  readonly depth: number;
}

export type QueueOptions = {
  readonly clock?: Clock;
  readonly retryMinSeconds?: number;
  readonly retryMaxSeconds?: number;
  readonly retryRate?: Rate;
  readonly metrics?: Partial<QueueMetrics>;
};

/** What a queue tells about itself, as client-go's queues do. */
export type QueueMetrics = {
  depth(keys: number): void;
  added(): void;
  retried(): void;
  /** Seconds from add to take. */
  waited(seconds: number): void;
  /** Seconds from take to done. */
  worked(seconds: number): void;
};

type Delayed = { readonly at: number; readonly cancel: () => void };

/** Defaults are client-go's, but for the longest backoff: five minutes instead of a thousand seconds, which no one would wait for. */
export function createWorkQueue(options: QueueOptions = {}): WorkQueue {
  const { clock = systemClock, retryMinSeconds = 0.005, retryMaxSeconds = 300, metrics } = options;
  const bucket = createTokenBucket(options.retryRate ?? { perSecond: 10, burst: 100 }, clock);
  /** Keys to be handed out, in order, and since when. */
  const waiting = new Map<string, number>();
  /** Keys being worked on, and since when. */
  const working = new Map<string, number>();
  /** Keys added while they are being worked on. */
  const dirty = new Set<string>();
  const delayed = new Map<string, Delayed>();
  const failures = new Map<string, number>();
  const takers: ((key: string | undefined) => void)[] = [];
  let idle: PromiseWithResolvers<void> | undefined;

  function enqueue(key: string): void {
    waiting.set(key, clock.seconds());
    handOut();
    metrics?.depth?.(waiting.size);
  }

  function handOut(): void {
    for (const [key, since] of waiting) {
      const taker = takers.shift();
      if (taker === undefined) return;
      waiting.delete(key);
      const now = clock.seconds();
      working.set(key, now);
      metrics?.waited?.(now - since);
      taker(key);
    }
  }

  const queue: WorkQueue = {
    add(key) {
      if (idle || waiting.has(key) || dirty.has(key)) return;
      metrics?.added?.();
      if (working.has(key)) dirty.add(key);
      else enqueue(key);
    },
    addAfter(key, seconds) {
      if (idle) return;
      if (seconds <= 0) return queue.add(key);
      const at = clock.seconds() + seconds;
      const known = delayed.get(key);
      if (known && known.at <= at) return;
      known?.cancel();
      const cancel = clock.after(seconds, () => {
        delayed.delete(key);
        queue.add(key);
      });
      delayed.set(key, { at, cancel });
    },
    retry(key, leastSeconds = 0) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      metrics?.retried?.();
      queue.addAfter(key, Math.max(exponential(retryMinSeconds, retryMaxSeconds, count), bucket.reserve(), leastSeconds));
    },
    forget(key) {
      failures.delete(key);
    },
    take() {
      if (idle) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        takers.push(resolve);
        handOut();
        metrics?.depth?.(waiting.size);
      });
    },
    done(key) {
      const since = working.get(key);
      if (since === undefined) throw new Error(`${key} was given back, but nobody had taken it`);
      working.delete(key);
      metrics?.worked?.(clock.seconds() - since);
      if (dirty.delete(key)) enqueue(key);
      if (working.size === 0) idle?.resolve();
    },
    shutDown() {
      if (idle) return idle.promise;
      idle = Promise.withResolvers();
      for (const { cancel } of delayed.values()) cancel();
      for (const pending of [waiting, dirty, delayed]) pending.clear();
      for (const taker of takers.splice(0)) taker(undefined);
      metrics?.depth?.(0);
      if (working.size === 0) idle.resolve();
      return idle.promise;
    },
    get depth() {
      return waiting.size;
    },
  };
  return queue;
}
