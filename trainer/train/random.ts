/** Random numbers without state: Philox4x32-10 (Salmon et al. 2011), keyed by (seed, stream name, counter), equal on every machine. */
import { createHash } from 'node:crypto';

/**
 * Draws named by what they are for: the same (seed, stream, counter) gives the same numbers whenever it is asked, so there is nothing to
 * save and nothing to restore. A draw of `count` numbers is the beginning of every longer draw with the same name. Counters are whole
 * numbers from 0 to 2^53; two different counters, or two streams, share no numbers.
 */
export interface Random {
  /** Uniform in [0, 1), multiples of 2^-24. */
  uniform(stream: string, counter: number, count: number): Float32Array;
  /** Standard normal; |x| < 6.7. */
  normal(stream: string, counter: number, count: number): Float32Array;
  /** A random order of 0..n-1. */
  permutation(stream: string, counter: number, n: number): Uint32Array;
  /** Whole numbers in [0, bound); bound at most 2^32. */
  integers(stream: string, counter: number, count: number, bound: number): Uint32Array;
}

/** The random numbers of one seed (a whole number from 0 to 2^53). */
export function createRandom(seed: number): Random {
  const keys = new Map<string, Key>();
  const words = (stream: string, counter: number, count: number): Uint32Array => {
    let key = keys.get(stream);
    if (!key) keys.set(stream, (key = keyOf(seed, stream)));
    return philoxWords(key, counter, count);
  };
  return {
    uniform: (stream, counter, count) => Float32Array.from(words(stream, counter, count), (word) => (word >>> 8) / 2 ** 24),
    normal: (stream, counter, count) => normals(words(stream, counter, count + (count % 2))).subarray(0, count),
    permutation: (stream, counter, n) => shuffled(words(stream, counter, 2 * n)),
    integers: (stream, counter, count, bound) => {
      const bits = words(stream, counter, 2 * count);
      return Uint32Array.from({ length: count }, (_, i) => below(bits, i, bound));
    },
  };
}

type Key = readonly [number, number];

/** 64 bits of SHA-256: streams of one seed, and one stream of neighbouring seeds, have unrelated keys. */
function keyOf(seed: number, stream: string): Key {
  wholeNumber('seed', seed);
  const digest = createHash('sha256').update(`${seed}/${stream}`).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/** The first `count` words of a draw: block b is Philox of the counter words (b, counter low, counter high, 0). */
function philoxWords(key: Key, counter: number, count: number): Uint32Array {
  wholeNumber('counter', counter);
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let block = 0; block * 4 < words.length; block++) {
    const at = block * 4;
    words[at] = block;
    words[at + 1] = counter;
    words[at + 2] = Math.floor(counter / 2 ** 32);
    philox4x32(words, at, key);
  }
  return words.subarray(0, count);
}

/** Replaces the four counter words at `at` by Philox4x32-10 of them. */
export function philox4x32(words: Uint32Array, at: number, key: Key): void {
  let [k0, k1] = key;
  let c0 = words[at] ?? 0;
  let c1 = words[at + 1] ?? 0;
  let c2 = words[at + 2] ?? 0;
  let c3 = words[at + 3] ?? 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  words[at] = c0;
  words[at + 1] = c1;
  words[at + 2] = c2;
  words[at + 3] = c3;
}

/** The upper 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) | 0;
}

/** Number i of a list of whole numbers below `bound`, from 53 bits each: the bias is under bound / 2^53. */
function below(bits: Uint32Array, i: number, bound: number): number {
  const fraction = ((bits[2 * i] ?? 0) * 2 ** 21 + ((bits[2 * i + 1] ?? 0) >>> 11)) / 2 ** 53;
  return Math.floor(fraction * bound);
}

/** Fisher-Yates. */
function shuffled(bits: Uint32Array): Uint32Array {
  const order = Uint32Array.from({ length: bits.length / 2 }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(bits, i, i + 1);
    const moved = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = moved;
  }
  return order;
}

/** Box-Muller: two normals from two words. */
function normals(words: Uint32Array): Float32Array {
  const values = new Float32Array(words.length);
  for (let i = 0; i < words.length; i += 2) {
    const radius = Math.sqrt(-2 * logarithm(((words[i] ?? 0) + 1) / 2 ** 32));
    const [cosine, sine] = cosineAndSineOfTurns((words[i + 1] ?? 0) / 2 ** 32);
    values[i] = radius * cosine;
    values[i + 1] = radius * sine;
  }
  return values;
}

/**
 * log(x) for x in [2^-32, 1], within 4e-16. Written out because ECMAScript leaves the last bits of Math.log, sin and cos to the engine,
 * while + - * / and sqrt are IEEE 754 everywhere: so one seed means one run, whatever version of Node draws it.
 */
export function logarithm(x: number): number {
  let mantissa = x;
  let exponent = 0;
  for (; mantissa < Math.SQRT1_2; exponent--) mantissa *= 2;
  const s = (mantissa - 1) / (mantissa + 1);
  const s2 = s * s;
  let series = 0;
  for (let power = 21; power >= 1; power -= 2) series = series * s2 + 1 / power;
  return 2 * s * series + exponent * Math.LN2;
}

/** (cos, sin) of 2 pi x for x in [0, 1), within 4e-16: Taylor series within an eighth of a turn of the nearest quarter. */
export function cosineAndSineOfTurns(x: number): readonly [number, number] {
  const quarter = Math.floor(x * 4 + 0.5);
  const angle = (x - quarter / 4) * 2 * Math.PI;
  const square = angle * angle;
  let cosine = 0;
  for (let n = 18; n >= 2; n -= 2) cosine = (1 - cosine) * (square / (n * (n - 1)));
  cosine = 1 - cosine;
  let sine = 0;
  for (let n = 19; n >= 3; n -= 2) sine = (1 - sine) * (square / (n * (n - 1)));
  sine = angle * (1 - sine);
  switch (quarter % 4) {
    case 0:
      return [cosine, sine];
    case 1:
      return [-sine, cosine];
    case 2:
      return [-cosine, -sine];
    default:
      return [sine, -cosine];
  }
}

function wholeNumber(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`random ${name} must be a whole number from 0 to 2^53, not ${value}`);
}
