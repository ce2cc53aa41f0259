/** Steps of a small network for tests, in this process or in one that a test starts. */
import { createHash } from 'node:crypto';
import { LOSS_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS, type Precision } from '../../crds/run.ts';
import type { HostFeeds } from './host-step.ts';
import { createRandom } from './random.ts';
import { createSession, initialValues } from './session.ts';
import type { ProgramKey, StepOptions } from './step-options.ts';

export const SMALL_STEP: StepOptions = {
  shape: { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 8, latentSize: 8, resolution: 8, labelSize: 0 },
  loss: LOSS_DEFAULTS,
  optimizer: OPTIMIZER_DEFAULTS,
  averagingDecay: 0.99,
  precision: 'Float32',
  mirrorAugment: false,
};
export function smallFeeds({ resolution: r, minibatch: n, fading }: ProgramKey) {
  const random = createRandom(3);
  const generator: HostFeeds = {
    latents: { shape: [n, 8], data: random.normal('latents', 0, n * 8) },
    learningRate: 0.001,
    beta1Power: 0,
    beta2Power: 0.99,
    ...(fading ? { fade: 0.5 } : {}),
  };
  const discriminator: HostFeeds = {
    ...generator,
    reals: { shape: [n, r, r, 1], data: Float32Array.from(random.integers('reals', 0, n * r * r, 256)) },
    mixing: { shape: [n, 1, 1, 1], data: random.uniform('mixing', 0, n) },
  };
  return { discriminator, generator };
}

/** SHA-256 over all variables after three iterations in a graph at 8x8. */
export function trainedDigest(precision: Precision): string {
  const options = { ...SMALL_STEP, precision };
  const session = createSession(options, 'graph', initialValues(options, createRandom(2)));
  const key = { resolution: 8, minibatch: 4, fading: false };
  session.enter(key);
  const { discriminator, generator } = smallFeeds(key);
  for (let iteration = 0; iteration < 3; iteration++) {
    session.step('discriminator', discriminator);
    session.step('generator', generator);
  }
  const hash = createHash('sha256');
  for (const [name, value] of session.snapshot()) hash.update(name).update(value);
  session.dispose();
  return hash.digest('hex');
}
