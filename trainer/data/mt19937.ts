/** MT19937 as NumPy's legacy RandomState uses it, so that datasets come out in the order in which the original tool writes them. */

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
