/**
 * Tells people what happened, as events.k8s.io/v1 Events. What is told again and again becomes one Event with a series that counts.
 * It survives an API server that is away (a few attempts, then the event is dropped: events are best effort and never fail a reconcile), an
 * object that stammers (each has its own budget, so that it does not silence the others) and Events that the cluster has already forgotten.
 */
import { randomUUID } from 'node:crypto';
import { createBackoff } from './backoff.ts';
import type { Kube } from './client.ts';
import { type Clock, sleep, systemClock } from './clock.ts';
import { isKubeError } from './errors.ts';
import { microTime } from './lease.ts';
import { type Event, EVENTS, type KubeObject, type Resource } from './resource.ts';
import { createTokenBucket, type Rate, type TokenBucket } from './token-bucket.ts';

/** `reason` is a word in CamelCase for programs, `action` what was done or tried, `note` a sentence for people. */
export type Happening = { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly action: string; readonly note: string };

export interface Recorder {
  /** Returns at once. */
  record(regarding: KubeObject, resource: Resource<KubeObject>, happening: Happening): void;
  /** Resolves when all that was recorded has been written or given up, which takes long while the server is away. Counts are written at once. */
  flush(): Promise<void>;
}

export type RecorderOptions = {
  readonly kube: Pick<Kube, 'create' | 'patch'>;
  /** Who reports, such as pggan.dev/operator, and which process of it. */
  readonly controller: string;
  readonly instance: string;
  /** The same happening within this time of the last one is counted, not told anew (client-go: 6 minutes). */
  readonly seriesSeconds?: number;
  /** A count that goes on is written at most this often. */
  readonly countSeconds?: number;
  /** What one object may tell. */
  readonly perObject?: Rate;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Told of each event that is given up. */
  readonly onDropped?: (event: Event, error: unknown) => void;
};

/** The limits of the API (pkg/apis/core/validation/events.go), in bytes. */
const NOTE_BYTES = 1024;
const NAME_BYTES = 253;
const ATTEMPTS = 4;
/** Events that wait for an API server; more are dropped. */
const MOST_PENDING = 1000;

type Series = { event: Event; count: number; written: number; lastAt: number; writtenAt: number; due: boolean; cancel: () => void };

export function createRecorder(options: RecorderOptions): Recorder {
  const {
    kube,
    controller,
    instance,
    seriesSeconds = 360,
    countSeconds = 30,
    clock = systemClock,
    random = Math.random,
    onDropped,
  } = options;
  const { perObject = { perSecond: 1 / 60, burst: 25 } } = options;
  const known = new Map<string, Series>();
  const budgets = new Map<string, TokenBucket>();
  let forgotAt = clock.seconds();
  let pending = 0;
  let tail = Promise.resolve();

  function send(event: Event, write: () => Promise<unknown>): void {
    if (pending >= MOST_PENDING) return onDropped?.(event, new Error(`${MOST_PENDING} events wait already`));
    pending += 1;
    tail = tail.then(async () => {
      await attempts(write, clock, random).catch((error: unknown) => onDropped?.(event, error));
      pending -= 1;
    });
  }

  function tellAnew(key: string, regarding: KubeObject, resource: Resource<KubeObject>, happening: Happening): void {
    const event = eventOf(regarding, resource, happening);
    if (!budgetOf(regarding).tryTake()) return onDropped?.(event, new Error('this object has told too much'));
    const now = clock.seconds();
    const series: Series = { event, count: 1, written: 1, lastAt: now, writtenAt: now, due: false, cancel: () => {} };
    known.set(key, series);
    send(event, () => create(event));
  }

  function tellAgain(series: Series): void {
    series.count += 1;
    series.lastAt = clock.seconds();
    if (series.due) return;
    series.due = true;
    // The second is told at once, so that whoever looks sees that it goes on.
    const wait = series.count === 2 ? 0 : series.writtenAt + countSeconds - clock.seconds();
    if (wait <= 0) writeCount(series);
    else series.cancel = clock.after(wait, () => writeCount(series));
  }

  function writeCount(series: Series): void {
    series.cancel();
    series.due = false;
    series.writtenAt = clock.seconds();
    const since = clock.seconds() - series.lastAt;
    const lastObservedTime = microTime(new Date(clock.now().getTime() - since * 1000));
    const counted = { ...series.event, series: { count: series.count, lastObservedTime } };
    send(counted, () => patchOrCreate(counted));
  }

  async function patchOrCreate(event: Event): Promise<void> {
    const { namespace = '', name = '' } = event.metadata ?? {};
    try {
      await kube.patch(EVENTS, { namespace, name }, { merge: { series: event.series } });
    } catch (error) {
      // API servers keep events for an hour.
      if (!isKubeError(error, 'NotFound')) throw error;
      await create(event);
    }
  }

  async function create(event: Event): Promise<void> {
    try {
      await kube.create(EVENTS, event);
    } catch (error) {
      // An earlier attempt arrived, and its answer did not.
      if (!isKubeError(error, 'AlreadyExists')) throw error;
    }
  }

  function budgetOf({ metadata }: KubeObject): TokenBucket {
    const uid = metadata?.uid ?? '';
    const budget = budgets.get(uid) ?? createTokenBucket(perObject, clock);
    budgets.set(uid, budget);
    return budget;
  }

  /** No timer does this: one would keep a process alive that has nothing left to tell. */
  function forgetEnded(): void {
    const now = clock.seconds();
    if (now - forgotAt < seriesSeconds) return;
    forgotAt = now;
    for (const [key, series] of known) if (!series.due && now - series.lastAt >= seriesSeconds) known.delete(key);
    for (const [uid, budget] of budgets) if (budget.full) budgets.delete(uid);
  }

  function eventOf(regarding: KubeObject, { apiVersion, kind }: Resource<KubeObject>, { type, reason, action, note }: Happening): Event {
    const { namespace = '', name = '', uid = '', resourceVersion = '' } = regarding.metadata ?? {};
    const suffix = `.${randomUUID().replaceAll('-', '').slice(0, 16)}`;
    return {
      metadata: { namespace, name: clip(name, NAME_BYTES - suffix.length) + suffix },
      regarding: { apiVersion, kind, namespace, name, uid, resourceVersion },
      type,
      reason,
      action,
      note: clip(note, NOTE_BYTES),
      eventTime: microTime(clock.now()),
      reportingController: controller,
      reportingInstance: instance,
    };
  }

  return {
    record(regarding, resource, happening) {
      forgetEnded();
      const { type, reason, action, note } = happening;
      const key = JSON.stringify([regarding.metadata?.uid, type, reason, action, note]);
      const series = known.get(key);
      if (series && clock.seconds() - series.lastAt < seriesSeconds) tellAgain(series);
      else tellAnew(key, regarding, resource, happening);
    },
    async flush() {
      for (const series of known.values()) if (series.due) writeCount(series);
      await tail;
    },
  };
}

/** Tries again where the API server was away or busy. */
async function attempts(write: () => Promise<unknown>, clock: Clock, random: () => number): Promise<void> {
  const backoff = createBackoff({ minSeconds: 0.8, maxSeconds: 10 }, random);
  for (let left = ATTEMPTS - 1; ; left -= 1) {
    try {
      await write();
      return;
    } catch (error) {
      if (left === 0 || !isKubeError(error, 'Dropped', 'Timeout', 'TooManyRequests', 'Unavailable', 'WebhookAway')) throw error;
      await sleep(clock, Math.max(backoff.next(), error.retryAfterSeconds ?? 0));
    }
  }
}

/** The beginning of a text that takes at most so many bytes, cut between two letters. */
export function clip(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  const ellipsis = '...';
  let end = bytes - ellipsis.length;
  // A byte 10xxxxxx goes on with a letter that began before it.
  while (end > 0 && ((encoded[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return encoded.toString('utf8', 0, end) + ellipsis;
}
