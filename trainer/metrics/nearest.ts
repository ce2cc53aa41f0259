/** The training image that is nearest to a fake: a generator that copies shows itself here. */
import { setImmediate } from 'node:timers/promises';
import { type ImageShape, imageBytes, imagesIn } from './metric.ts';

export type Nearest = {
  /** Number of the image among the reals, in the order in which they came. */
  readonly index: number;
  /** Root mean square difference over pixels and channels, in grey levels of 0 to 255. */
  readonly rmse: number;
};

export type NearestOptions = {
  readonly shape: ImageShape;
  /** Image i of `fakes` is not compared with real image i: for the distance of a real image to its nearest other one. */
  readonly exceptSelf?: boolean;
};

/**
 * For every image of `fakes` (NHWC bytes) the nearest of `reals`, streamed in one pass; the first of several that are equally near.
 * @throws RangeError when there is no real image to compare with.
 */
export async function nearest(
  fakes: Uint8Array,
  reals: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { shape, exceptSelf = false }: NearestOptions,
): Promise<readonly Nearest[]> {
  const bytes = imageBytes(shape);
  const best = Array.from({ length: imagesIn(fakes, shape) }, () => ({ index: -1, squares: Infinity }));
  let index = 0;
  for await (const minibatch of reals) {
    const count = imagesIn(minibatch, shape);
    for (let i = 0; i < count; i++, index++) {
      for (const [fake, found] of best.entries()) {
        if (exceptSelf && fake === index) continue;
        const squares = squaredDistance(fakes, fake * bytes, minibatch, i * bytes, bytes, found.squares);
        if (squares < found.squares) [found.index, found.squares] = [index, squares];
      }
      await setImmediate();
    }
  }
  return best.map(({ index, squares }) => {
    if (index < 0) throw new RangeError('there is no real image to compare with');
    return { index, rmse: Math.sqrt(squares / bytes) };
  });
}

/** Sum of squared differences, given up once it reaches `limit`. Blocks of 1,024 stay below 2^31, where integer arithmetic is fastest. */
function squaredDistance(a: Uint8Array, atA: number, b: Uint8Array, atB: number, bytes: number, limit: number): number {
  let squares = 0;
  for (let start = 0; start < bytes && squares < limit; start += 1024) {
    const end = Math.min(start + 1024, bytes);
    let block = 0;
    for (let i = start; i < end; i++) {
      const difference = a[atA + i]! - b[atB + i]!;
      block += difference * difference;
    }
    squares += block;
  }
  return squares;
}
