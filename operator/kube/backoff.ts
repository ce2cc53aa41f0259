/** How long to wait before the next attempt: doubling, bounded, and spread so that a fleet that failed together does not return together. */

export type BackoffOptions = { readonly minSeconds: number; readonly maxSeconds: number };

export type Backoff = {
  /** Seconds to wait after one more failure in a row. */
  next(): number;
  /** Forgets the failures: call it after a success that proves something. */
  reset(): void;
};

/** Doubles from min to max; each wait is drawn from the upper half of its step (`random` gives numbers in [0, 1)). */
export function createBackoff({ minSeconds, maxSeconds }: BackoffOptions, random: () => number): Backoff {
  let failures = 0;
  return {
    next() {
      const step = exponential(minSeconds, maxSeconds, failures);
      failures += 1;
      return step * (0.5 + random() / 2);
    },
    reset() {
      failures = 0;
    },
  };
}

/** min x 2^failures, at most max. */
export function exponential(minSeconds: number, maxSeconds: number, failures: number): number {
  return Math.min(maxSeconds, minSeconds * 2 ** failures);
}

/** A time between `seconds` x (1 - share) and x (1 + share). */
export function jittered(seconds: number, share: number, random: () => number): number {
  return seconds * (1 - share + 2 * share * random());
}
