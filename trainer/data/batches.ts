/** The order in which a run sees its real images: a pure function of the seed, so that nothing of it has to be saved. */
import type { Random } from '../train/random.ts';

/**
 * The dataset's image for each of the real images `firstImage` .. `firstImage + count - 1` of a run, counted over the whole run: real k is
 * element k mod N of the permutation of epoch floor(k / N). Batches straddle epochs; a change of phase or minibatch changes nothing.
 */
export function batchIndexes(random: Random, images: number, firstImage: number, count: number): Uint32Array {
  if (!(images > 0)) throw new RangeError('a dataset without images has no batches');
  const indexes = new Uint32Array(count);
  for (let filled = 0; filled < count; ) {
    const k = firstImage + filled;
    const order = permutation(random, images, Math.floor(k / images));
    const from = k % images;
    const part = order.subarray(from, Math.min(images, from + count - filled));
    indexes.set(part, filled);
    filled += part.length;
  }
  return indexes;
}

/** An epoch's order is asked for in every batch of the epoch: the last two are kept (a batch may straddle them). */
const recent = new WeakMap<Random, { readonly images: number; readonly epoch: number; readonly order: Uint32Array }[]>();

function permutation(random: Random, images: number, epoch: number): Uint32Array {
  const kept = recent.get(random) ?? [];
  const found = kept.find((entry) => entry.images === images && entry.epoch === epoch);
  if (found) return found.order;
  const order = random.permutation('data', epoch, images);
  recent.set(random, [{ images, epoch, order }, ...kept].slice(0, 2));
  return order;
}
