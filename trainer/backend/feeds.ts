/** What a step is fed with: shapes and dtypes, checked the same way in eager and in graph mode. */
import type * as tf from '@tensorflow/tfjs';
import { DTYPE, native } from './native.ts';
import type { Feeds } from './program.ts';

type FeedType = { readonly shape: readonly number[]; readonly dtype: string };
export type Signature = ReadonlyMap<string, FeedType>;

export function signatureOf(feeds: Feeds): Signature {
  return new Map(Object.entries(feeds).map(([name, tensor]) => [name, feedType(tensor)]));
}

/** @throws RangeError that names the step, the feed, what is wanted and what was given */
export function checkFeeds(step: string, signature: Signature, feeds: Feeds): void {
  for (const [name, want] of signature) {
    const tensor = feeds[name];
    if (!tensor) throw new RangeError(`step ${step} lacks the feed ${name}: ${words(want)}`);
    const got = feedType(tensor);
    if (words(got) !== words(want)) throw new RangeError(`step ${step} wants feed ${name} as ${words(want)}, got ${words(got)}`);
  }
  for (const name in feeds) {
    if (!signature.has(name)) throw new RangeError(`step ${step} has no feed ${name}: it has ${[...signature.keys()].join(', ')}`);
  }
}

const words = ({ shape, dtype }: FeedType): string => `${dtype} [${shape.join(', ')}]`;

/** By TensorFlow's own dtype, since a handle may call itself float32 or int32 and hold bfloat16 or uint8. */
function feedType(tensor: tf.Tensor): FeedType {
  const dtype = native()?.tensorMap.get(tensor.dataId).dtype;
  return { shape: tensor.shape, dtype: Object.entries(DTYPE).find(([, value]) => value === dtype)?.[0] ?? tensor.dtype };
}
