/** A clock that moves only when a test says so, and the clocks of several machines that disagree about it. */
import type { Clock } from './clock.ts';

/** How a machine's clocks differ from true time: its wall clock is off, its oscillator is fast or slow. */
export type Skew = { readonly wallSeconds: number; readonly rate: number };

type Timer = { readonly at: number; readonly call: () => void };

const EPOCH = Date.parse('2026-01-01T00:00:00Z');

export class VirtualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  now(): Date {
    return new Date(EPOCH + this.#now * 1000);
  }

  seconds(): number {
    return this.#now;
  }

  after(seconds: number, call: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, seconds), call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Seconds until the next timer; undefined where nothing waits. */
  get nextSeconds(): number | undefined {
    const next = this.#next();
    return next && next.at - this.#now;
  }

  /** Lets time pass. Before each timer, and at the end, everything that can go on without time passing has done so. */
  async advance(seconds: number): Promise<void> {
    const until = this.#now + seconds;
    await settled();
    for (let timer = this.#next(); timer !== undefined && timer.at <= until; timer = this.#next()) {
      this.#now = timer.at;
      this.#timers.delete(timer);
      timer.call();
      await settled();
    }
    this.#now = until;
  }

  /** The same time as a machine with other clocks sees it. */
  seenWith({ wallSeconds, rate }: Skew): Clock {
    return {
      now: () => new Date(this.now().getTime() + wallSeconds * 1000),
      seconds: () => this.#now * rate,
      after: (seconds, call) => this.after(seconds / rate, call),
    };
  }

  /** The earliest timer; of several at one time, the one that was set first. */
  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer;
    return next;
  }
}

/** Resolves when every promise that waits for nothing outside has run on: microtasks are drained before each turn of the event loop. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
