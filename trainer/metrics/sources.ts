/** Where the images come from that metrics compare: the reals of a dataset in order, the fakes of a generator from seeded latents. */
import type { Dataset } from '../data/dataset.ts';
import type { NetworkShape } from '../networks/weights.ts';
import { toBytes } from '../report/grid.ts';
import type { SampleInput } from '../synthesis/minibatches.ts';
import { type OpenGenerator, trainingOf } from '../synthesis/open-generator.ts';
import { labelRows } from '../train/feeds.ts';
import { createRandom } from '../train/random.ts';
import { evaluationMinibatch, type ImageSource } from './evaluate.ts';

/** The reals at a resolution, in the order of the dataset, from its beginning again where more are asked for. */
export function reals(dataset: Pick<Dataset, 'images' | 'read'>, resolution: number): (count: number) => Generator<Uint8Array> {
  return function* (count) {
    const minibatch = evaluationMinibatch(resolution);
    for (let first = 0; first < count; first += minibatch) {
      const indexes = Array.from({ length: Math.min(minibatch, count - first) }, (_, i) => (first + i) % dataset.images);
      yield dataset.read(resolution, indexes);
    }
  };
}

/** Fakes of a generator that was saved, at its final resolution. */
export function fakes(generator: OpenGenerator, dataset: Labelled, mode: 'graph' | 'eager'): ImageSource {
  return function* (count) {
    const sampler = generator.sampler(drawnAtOnce(generator.shape), mode);
    try {
      const { resolution } = sampler;
      yield* drawn(
        { seed: trainingOf(generator).seed, shape: generator.shape, resolution, sample: (input) => sampler.sample(input) },
        dataset,
        count,
      );
    } finally {
      sampler.dispose();
    }
  };
}

/** What fakes take of a dataset: labels, as the reals have them. */
type Labelled = Pick<Dataset, 'images' | 'labels' | 'labelSize'>;

/** A generator's images of `resolution`, [N, r, r, C] in [-1, 1]. */
type Drawing = {
  readonly seed: number;
  readonly shape: NetworkShape;
  readonly resolution: number;
  readonly sample: (input: SampleInput) => Float32Array;
};

/**
 * Fakes from seeded latents at the network's final resolution; image i is the same whatever the count and whichever the snapshot's latents are
 * compared with. A generator that has not grown to it yet shows its images with every pixel repeated, as the reference's networks do.
 */
export function* drawn({ seed, shape, resolution, sample }: Drawing, dataset: Labelled, count: number): Generator<Uint8Array> {
  const minibatch = drawnAtOnce(shape);
  const random = createRandom(seed);
  for (let first = 0; first < count; first += minibatch) {
    const indexes = random.integers('evaluate/labels', first, minibatch, dataset.images);
    const latents = random.normal('evaluate/latents', first, minibatch * shape.latentSize);
    const images = toBytes(sample({ latents, ...(dataset.labels ? { labels: labelRows(dataset, indexes).data } : {}) }));
    yield enlarged(images, resolution, shape.resolution, shape.channels).subarray(
      0,
      (count - first) * shape.resolution ** 2 * shape.channels,
    );
  }
}

const drawnAtOnce = ({ resolution }: NetworkShape): number => Math.min(evaluationMinibatch(resolution), 64);

/** Images (NHWC bytes) of side `from` at side `to`, a multiple of it, by repeating pixels. */
function enlarged(images: Uint8Array, from: number, to: number, channels: number): Uint8Array {
  if (from === to) return images;
  const factor = to / from;
  const large = new Uint8Array(images.length * factor * factor);
  const rows = images.length / (from * channels);
  for (let row = 0; row < rows; row++) {
    const start = row * factor * to * channels;
    for (let x = 0; x < to; x++) {
      const source = (row * from + Math.floor(x / factor)) * channels;
      for (let channel = 0; channel < channels; channel++) large[start + x * channels + channel] = images[source + channel] ?? 0;
    }
    for (let copy = 1; copy < factor; copy++) large.copyWithin(start + copy * to * channels, start, start + to * channels);
  }
  return large;
}
