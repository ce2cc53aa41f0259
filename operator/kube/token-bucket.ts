/** A bound on how often something happens: bursts are let through, a steady stream is slowed to a rate. */
import type { Clock } from './clock.ts';

export type Rate = { readonly perSecond: number; readonly burst: number };

export type TokenBucket = {
  /** Takes the next token, even one of the future, and returns the seconds until it is there. */
  reserve(): number;
  /** Takes a token that is there now; false, and nothing is taken, where there is none. */
  tryTake(): boolean;
  /** True where nothing has been taken that has not come back: such a bucket may be forgotten. */
  readonly full: boolean;
};

export function createTokenBucket({ perSecond, burst }: Rate, clock: Clock): TokenBucket {
  let tokens = burst;
  let at = clock.seconds();
  const refill = (): void => {
    const now = clock.seconds();
    tokens = Math.min(burst, tokens + (now - at) * perSecond);
    at = now;
  };
  return {
    reserve() {
      refill();
      tokens -= 1;
      return tokens >= 0 ? 0 : -tokens / perSecond;
    },
    tryTake() {
      refill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    get full() {
      refill();
      return tokens === burst;
    },
  };
}
