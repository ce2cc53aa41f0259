/** Progress documents for tests. */
import type { TrainingProgress } from '../../crds/progress.ts';

const DIGEST = 'ab'.repeat(32);

export const someProgress: TrainingProgress = {
  version: 'v1',
  kind: 'training',
  state: 'FadingIn',
  resolution: 32,
  images: 12_800,
  phaseEndImages: 20_480,
  lod: 1.5,
  tick: 3,
  minibatch: 16,
  epochs: 2.5,
  losses: { generator: -0.5, discriminator: 1.25, realScores: 2, fakeScores: -3, mixedScores: 0.125, gradientNorm: 0.875 },
  secondsPerKimg: 12.5,
  imagesPerSecond: 80,
  checkpoint: {
    uri: 'file:///runs/a/checkpoints/000000012000',
    images: 12_000,
    digest: DIGEST,
    time: '2026-01-01T00:00:00.500Z',
    bytes: 4096,
  },
  checkpointSeconds: 0.25,
  resumedFrom: { uri: 'file:///runs/a/checkpoints/000000008000', images: 8_000, digest: DIGEST, time: '2026-01-01T00:00:00.000Z' },
  attempt: 2,
  time: '2026-01-01T00:01:00.000Z',
};
