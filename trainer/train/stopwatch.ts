/** Wall clock of a run over all its processes: in total, since the tick began, and what of it went into pictures and checkpoints. */

export interface Stopwatch {
  /** Seconds since the run began, as far as processes were training on it. */
  total(): number;
  /** `total()` at the start of the current tick. */
  tickStart(): number;
  /** Runs `work` and counts its time as maintenance. */
  maintenance<T>(work: () => Promise<T>): Promise<T>;
  /** Ends the tick: its seconds without maintenance, and the maintenance since the tick before. */
  endTick(): { readonly seconds: number; readonly maintenance: number };
}

/** `nowSeconds` must not go backwards. */
export function startStopwatch(before: { readonly total: number; readonly tickStart: number }, nowSeconds: () => number): Stopwatch {
  const start = nowSeconds();
  let tickStart = before.tickStart;
  let maintained = 0;
  const total = (): number => before.total + nowSeconds() - start;
  return {
    total,
    tickStart: () => tickStart,
    async maintenance(work) {
      const from = nowSeconds();
      try {
        return await work();
      } finally {
        maintained += nowSeconds() - from;
      }
    },
    endTick() {
      const now = total();
      const ended = { seconds: Math.max(now - tickStart - maintained, 0), maintenance: maintained };
      tickStart = now;
      maintained = 0;
      return ended;
    },
  };
}
