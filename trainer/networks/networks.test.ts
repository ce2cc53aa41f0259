import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { NETWORK_DEFAULTS } from '../../crds/run.ts';
import { prepareBackend } from '../backend/backend.ts';
import { assertClose, numbers } from '../ops/derivatives.ts';
import { downscale2x, upscale2x } from '../ops/resample.ts';
import { discriminator } from './discriminator.ts';
import { generator } from './generator.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape, type Weights, type WeightSpec } from './weights.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

const SMALL: NetworkShape = { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 8, latentSize: 8, resolution: 32, labelSize: 0 };

const SWITCHES: readonly Partial<NetworkShape>[] = [
  {},
  { channels: 3 },
  { fusedScale: false },
  { usePixelnorm: false, useLeakyRelu: false },
  { useWscale: false, normalizeLatents: false },
  { mbstdGroupSize: 0, labelSize: 3 },
  { fmapDecay: 0.5, mbstdGroupSize: 2 },
];

const randomWeights = (specs: readonly WeightSpec[]): Weights => {
  const all = new Map(specs.map((spec, index) => [spec.name, numbers(spec.shape, index + 1)]));
  return (name) => all.get(name)!;
};

for (const options of SWITCHES) {
  const shape = { ...SMALL, ...options };
  const title = JSON.stringify(options);

  test(`a fade of 1 shows the previous resolution, a fade of 0 the current one alone ${title}`, () => {
    const G = randomWeights(generatorWeights(shape));
    const D = randomWeights(discriminatorWeights(shape));
    const input = {
      latents: numbers([4, 8]) as tf.Tensor2D,
      ...(shape.labelSize > 0 ? { labels: numbers([4, 3], 5) as tf.Tensor2D } : {}),
    };
    for (const resolution of [8, 16, 32]) {
      const current = generator(shape, G, { ...input, resolution });
      const previous = generator(shape, G, { ...input, resolution: resolution / 2 });
      assert.deepEqual(current.shape, [4, resolution, resolution, shape.channels]);
      assertClose(generator(shape, G, { ...input, resolution, fade: tf.scalar(1) }), upscale2x(previous), 'images at fade 1');
      assertClose(generator(shape, G, { ...input, resolution, fade: tf.scalar(0) }), current, 'images at fade 0');

      const judge = (images: tf.Tensor4D, at: number, fade?: number): tf.Tensor =>
        discriminator(shape, D, images, { resolution: at, ...(fade === undefined ? {} : { fade: tf.scalar(fade) }) }).scores;
      assertClose(judge(current, resolution, 1), judge(downscale2x(current), resolution / 2), 'scores at fade 1');
      assertClose(judge(current, resolution, 0), judge(current, resolution), 'scores at fade 0');
    }
  });
}

test('networks of 1024x1024 RGB images draw and judge them, settled and fading in', () => {
  const shape = { ...SMALL, resolution: 1024, channels: 3 as const, fmapBase: 1024, fmapMax: 2 };
  const [G, D] = [randomWeights(generatorWeights(shape)), randomWeights(discriminatorWeights(shape))];
  for (const fade of [{}, { fade: tf.scalar(0.5) }]) {
    const images = generator(shape, G, { latents: numbers([1, 8]) as tf.Tensor2D, resolution: 1024, ...fade });
    assert.deepEqual(images.shape, [1, 1024, 1024, 3]);
    const [score = Number.NaN] = discriminator(shape, D, images, { resolution: 1024, ...fade }).scores.dataSync();
    assert.ok(Number.isFinite(score));
  }
});

test('labels reach the generator as further latents and leave the discriminator as logits', () => {
  const shape = { ...SMALL, labelSize: 3 };
  const G = randomWeights(generatorWeights(shape));
  const latents = numbers([4, 8]) as tf.Tensor2D;
  const images = (label: number): tf.Tensor4D =>
    generator(shape, G, { latents, labels: tf.oneHot([label, label, label, label], 3).toFloat() as tf.Tensor2D, resolution: 4 });
  const difference = tf.max(tf.abs(tf.sub(images(0), images(1)))).dataSync()[0] ?? 0;
  assert.ok(difference > 0.01);
  const judged = discriminator(shape, randomWeights(discriminatorWeights(shape)), images(0), { resolution: 4 });
  assert.deepEqual(
    [judged.scores.shape, judged.labels?.shape],
    [
      [4, 1],
      [4, 3],
    ],
  );
});

test('neither network leaves a tensor behind', () => {
  const G = randomWeights(generatorWeights(SMALL));
  const latents = numbers([4, 8]) as tf.Tensor2D;
  const before = tf.memory().numTensors;
  generator(SMALL, G, { latents, resolution: 16, fade: tf.scalar(0.5) }).dispose();
  assert.equal(tf.memory().numTensors, before + 1, "the images are gone, the fade is the caller's");
});
