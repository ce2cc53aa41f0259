/** What a run will take, said before it starts: disk and time. */
import { resolveNetwork, resolveSchedule } from './resolve.ts';
import { phases } from './schedule.ts';
import type { PGGANTrainingSpec } from './v1alpha1/pggan-training.ts';
import { checkpointBytes, forwardMacs } from './cost.ts';

/** Floating-point operations of training on one image (both steps, the penalty's second derivative included) per multiply-add of a forward pass. */
const TRAINING_FLOP_PER_MAC = 18;
/** What one thread of a present-day server core reaches in these networks, with the share that small ones lose already taken off. */
const FLOP_PER_SECOND_AND_THREAD = 60e9;
/** Seconds that an image costs at least, however small the network: starting some hundred operations per step. */
const SECONDS_PER_IMAGE = 0.002;

export type Estimate = {
  /** Checkpoints kept (the last ones and one per phase) and pictures. */
  readonly diskBytes: number;
  /** Within a factor of two. */
  readonly seconds: number;
  /** Images to show. */
  readonly images: number;
};

export function estimate(spec: PGGANTrainingSpec): Estimate {
  const network = resolveNetwork(spec);
  const list = phases(resolveSchedule(spec), spec.totalKimg);
  const kept = spec.checkpoints.keepLast + list.length + 1;
  const pictures = list.length * 10 * 2e6;
  const perImage = (resolution: number): number =>
    SECONDS_PER_IMAGE + (TRAINING_FLOP_PER_MAC * forwardMacs(network, resolution)) / (FLOP_PER_SECOND_AND_THREAD * spec.threads);
  const seconds = list.reduce((sum, { resolution, startImages, endImages }) => sum + (endImages - startImages) * perImage(resolution), 0);
  return { diskBytes: kept * checkpointBytes(network, spec.resolution) + pictures, seconds, images: list.at(-1)?.endImages ?? 0 };
}
