/** Tries again, later and later and never in step with others, what is likely to go well soon. */

/** Effects of waiting; `systemTime` outside of tests. */
export type RetryTime = {
  /** Seconds of a clock that never goes back. */
  now(): number;
  sleep(seconds: number): Promise<void>;
  /** From 0 up to 1. */
  random(): number;
};

export const systemTime: RetryTime = {
  now: () => performance.now() / 1000,
  sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
  random: Math.random,
};

/** How often something was tried, and for how long. */
export type Tried = { readonly attempts: number; readonly seconds: number };

const FIRST_DELAY_SECONDS = 0.2;
const LONGEST_DELAY_SECONDS = 10;

/**
 * Runs `attempt` until it succeeds. After a failure `giveUp` is asked for the error to throw; while it returns none, the attempt is made again
 * after a random share of a delay that doubles (exponential backoff with full jitter). It learns whether the next attempt would still be
 * within `patienceSeconds`.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  patienceSeconds: () => number,
  giveUp: (error: unknown, tried: Tried, outOfPatience: boolean) => Error | undefined,
  time: RetryTime,
): Promise<T> {
  const started = time.now();
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      const delay = time.random() * Math.min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempts - 1));
      const seconds = time.now() - started;
      const end = giveUp(error, { attempts, seconds }, seconds + delay > patienceSeconds());
      if (end) throw end;
      await time.sleep(delay);
    }
  }
}
