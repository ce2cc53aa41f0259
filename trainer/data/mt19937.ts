/** MT19937 as NumPy's legacy RandomState uses it, so that datasets are in the original tool's order and latents are the original's. */

/** The order that `numpy.random.RandomState(seed).shuffle(numpy.arange(n))` leaves. */
export function numpyShuffledOrder(seed: number, n: number): Uint32Array {
  const next = mt19937(seed);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = interval(next, i);
    const moved = order[i] as number;
    order[i] = order[j] as number;
    order[j] = moved;
  }
  return order;
}

/** The numbers of `numpy.random.RandomState(seed).randn`, one by one: Marsaglia's polar method, whose pairs are given out second first. */
export function numpyNormals(seed: number): () => number {
  const next = mt19937(seed);
  let kept: number | undefined;
  return () => {
    if (kept !== undefined) {
      const value = kept;
      kept = undefined;
      return value;
    }
    for (;;) {
      const x1 = 2 * uniform(next) - 1;
      const x2 = 2 * uniform(next) - 1;
      const r2 = x1 * x1 + x2 * x2;
      if (r2 >= 1 || r2 === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(r2)) / r2);
      kept = factor * x1;
      return factor * x2;
    }
  };
}

/** Uniform in [0, 1) with 53 bits. */
function uniform(next: () => number): number {
  const [high, low] = [next() >>> 5, next() >>> 6];
  return (high * 67_108_864 + low) / 9_007_199_254_740_992;
}

/** A whole number in [0, max], by rejection of masked draws: every value is equally likely. */
function interval(next: () => number, max: number): number {
  const mask = 2 ** (32 - Math.clz32(max)) - 1;
  for (;;) {
    const value = (next() & mask) >>> 0;
    if (value <= max) return value;
  }
}

const N = 624;
const M = 397;

/** 32-bit numbers of the Mersenne Twister (Matsumoto and Nishimura 1998), initialised by init_genrand. */
export function mt19937(seed: number): () => number {
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) {
    const before = state[i - 1] as number;
    state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
  }
  let at = N;
  return () => {
    if (at === N) {
      for (let i = 0; i < N; i++) {
        const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % N] as number) & 0x7fffffff);
        state[i] = (state[(i + M) % N] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
