/** Feeds to trace the steps with. Their values are arbitrary but differ between variants, and the networks' outputs on them are finite. */
import * as tf from '@tensorflow/tfjs';
import type { Feeds } from '../backend/program.ts';
import { microbatchOf, type ProgramKey, type StepName, type StepOptions } from './step-options.ts';

export function exampleFeeds(options: StepOptions, key: ProgramKey, step: StepName, variant: number): Feeds {
  switch (step) {
    case 'discriminator':
      return { ...drawn(options, key, variant), ...shown(options, key, variant), ...rates(options, variant) };
    case 'generator':
      return { ...drawn(options, key, variant), ...rates(options, variant) };
    case 'discriminatorGradients':
      return { ...drawn(options, key, variant), ...shown(options, key, variant) };
    case 'generatorGradients':
    case 'sample':
      return drawn(options, key, variant);
    case 'discriminatorUpdate':
    case 'generatorUpdate':
      return rates(options, variant);
  }
}

/** What the generator is fed with. */
function drawn({ shape }: StepOptions, key: ProgramKey, variant: number): Feeds {
  const n = microbatchOf(key);
  return {
    latents: wave([n, shape.latentSize], 1, 0, variant),
    ...(shape.labelSize > 0 ? { labels: wave([n, shape.labelSize], 0.5, 0.5, variant) } : {}),
    ...(key.fading ? { fade: tf.scalar(0.25 + variant / 4) } : {}),
  };
}

/** What the discriminator is shown besides. */
function shown({ shape, mirrorAugment }: StepOptions, key: ProgramKey, variant: number): Feeds {
  const n = microbatchOf(key);
  const mirror = Float32Array.from({ length: n }, (_, i) => (i + variant) % 2);
  return {
    reals: wave([n, key.resolution, key.resolution, shape.channels], 100, 128, variant),
    mixing: wave([n, 1, 1, 1], 0.4, 0.5, variant),
    ...(mirrorAugment ? { mirror: tf.tensor(mirror, [n, 1, 1, 1]) } : {}),
  };
}

/** Adam's. */
function rates({ optimizer }: StepOptions, variant: number): Feeds {
  return {
    learningRate: tf.scalar(0.001 * (1 + variant)),
    beta1Power: tf.scalar(0.5 * optimizer.beta1 * (1 + variant / 2)),
    beta2Power: tf.scalar(0.9 + variant / 20),
  };
}

function wave(shape: number[], scale: number, offset: number, variant: number): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => offset + scale * Math.sin(1 + i * (0.7 + 0.1 * variant) + variant)),
    shape,
  );
}
