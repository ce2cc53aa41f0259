/** Time as the runtime sees it: passed in, so that a test can turn hours into microseconds and stop a process between two instructions. */

export interface Clock {
  /** The wall clock: for what people and the API server read, never for measuring. */
  now(): Date;
  /** Seconds on a clock that never jumps: every duration is taken from this one. */
  seconds(): number;
  /** Calls back once, so many seconds from now; what it returns calls it off. */
  after(seconds: number, call: () => void): () => void;
}

/** setTimeout takes 32 bits of milliseconds, and fires at once beyond. */
const LONGEST_TIMER_SECONDS = 2_000_000;

export const systemClock: Clock = {
  now: () => new Date(),
  seconds: () => performance.now() / 1000,
  after(seconds, call) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      const now = Math.min(Math.max(0, left), LONGEST_TIMER_SECONDS);
      timer = setTimeout(() => (left > now ? wait(left - now) : call()), now * 1000);
    };
    wait(seconds);
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many seconds, or as soon as `signal` is aborted; never rejects: a loop looks at its signal anyway. */
export function sleep(clock: Clock, seconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(seconds, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/**
 * Runs something with a signal that is aborted after so many seconds, with `reason`, or when `parent` is. Nothing stays behind on the parent,
 * which may live for weeks. Waits for what it runs however long that takes to obey.
 */
export async function within<T>(
  limit: { readonly clock: Clock; readonly seconds: number; readonly parent: AbortSignal | undefined; readonly reason: () => Error },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, seconds, parent, reason } = limit;
  const controller = new AbortController();
  const obey = (): void => controller.abort(parent?.reason);
  const cancel = clock.after(seconds, () => controller.abort(reason()));
  if (parent?.aborted) obey();
  else parent?.addEventListener('abort', obey, { once: true });
  try {
    return await run(controller.signal);
  } finally {
    cancel();
    parent?.removeEventListener('abort', obey);
  }
}

/** Resolves when a signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
