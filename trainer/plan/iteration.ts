/** One iteration of training on made-up images: what it costs is what a real one costs but for reading the images. */
import type { HostFeeds } from '../train/host-step.ts';
import type { Random } from '../train/random.ts';
import type { Session } from '../train/session.ts';
import type { ProgramKey, StepOptions } from '../train/step-options.ts';

/** One D step with averaging and one G step of the current program, from arrays on the host to scalars on the host. */
export function syntheticIteration(options: StepOptions, key: ProgramKey, session: Session, random: Random): () => void {
  const { minibatch: n, resolution: r, fading } = key;
  const { shape, optimizer, mirrorAugment } = options;
  const common: HostFeeds = {
    latents: { shape: [n, shape.latentSize], data: random.normal('latents', 0, n * shape.latentSize) },
    learningRate: 1e-4,
    beta1Power: optimizer.beta1,
    beta2Power: optimizer.beta2,
    ...(fading ? { fade: 0.5 } : {}),
    ...(shape.labelSize > 0 ? { labels: { shape: [n, shape.labelSize], data: random.uniform('labels', 0, n * shape.labelSize) } } : {}),
  };
  const reals = random.integers('reals', 0, n * r * r * shape.channels, 256);
  const judged: HostFeeds = {
    ...common,
    reals: { shape: [n, r, r, shape.channels], data: Float32Array.from(reals) },
    mixing: { shape: [n, 1, 1, 1], data: random.uniform('mixing', 0, n) },
    ...(mirrorAugment ? { mirror: { shape: [n, 1, 1, 1], data: new Float32Array(n) } } : {}),
  };
  return () => {
    for (const scalars of [session.step('discriminator', judged), session.step('generator', common)]) {
      if (!Object.values(scalars).every(Number.isFinite)) throw new Error(`a step gave ${JSON.stringify(scalars)}`);
    }
  };
}

/** Wall clock of `work`. */
export function secondsOf(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}
