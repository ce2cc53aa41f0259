/** What a run will take, said before it starts: memory, disk and, roughly, time. */
import { forwardMacs, variableBytes } from './cost.ts';
import { phaseMemoryBytes, type PhaseShape, phaseShape } from './memory.ts';
import { resolveNetwork, resolveSchedule } from './resolve.ts';
import { fadingImages, phases } from './schedule.ts';
import type { PGGANTrainingSpec } from './v1alpha1/pggan-training.ts';

/** Floating-point operations of training on one image (both steps, the penalty's second derivative included) per multiply-add of a forward pass. */
const TRAINING_FLOP_PER_MAC = 18;
/** What one thread of a present-day server core reaches in these networks, with the share that small ones lose already taken off. */
const FLOP_PER_SECOND_AND_THREAD = 60e9;
/** Seconds that an image costs at least, however small the network: starting some hundred operations per step. */
const SECONDS_PER_IMAGE = 0.002;

export type PhaseEstimate = {
  readonly shape: PhaseShape;
  readonly images: number;
  /** Of those, shown while the resolution fades in. */
  readonly fadingImages: number;
  /** Of its process, at its peak; within 15% on a CPU. */
  readonly memoryBytes: number;
  /** Within a factor of two. */
  readonly secondsPerKimg: number;
};

export type Estimate = {
  readonly phases: readonly PhaseEstimate[];
  /** Checkpoints kept (the last ones and one per phase) and pictures. */
  readonly diskBytes: number;
  /** One checkpoint. */
  readonly checkpointBytes: number;
  /** Within a factor of two. */
  readonly seconds: number;
  /** Images to show. */
  readonly images: number;
};

export function estimate(spec: PGGANTrainingSpec): Estimate {
  const network = resolveNetwork(spec);
  const schedule = resolveSchedule(spec);
  const list = phases(schedule, spec.totalKimg).flatMap((phase) =>
    schedule.levels
      .filter(({ resolution }) => resolution === phase.resolution)
      .map((level): PhaseEstimate => {
        const shape = phaseShape({ network, schedule, precision: spec.precision }, level);
        return {
          shape,
          images: phase.endImages - phase.startImages,
          fadingImages: fadingImages(schedule, phase),
          memoryBytes: phaseMemoryBytes(shape),
          secondsPerKimg:
            1000 *
            (SECONDS_PER_IMAGE +
              (TRAINING_FLOP_PER_MAC * forwardMacs(network, phase.resolution)) / (FLOP_PER_SECOND_AND_THREAD * spec.threads)),
        };
      }),
  );
  const kept = spec.checkpoints.keepLast + list.length + 1;
  const pictures = list.length * 10 * 2e6;
  const checkpointBytes = variableBytes(network, spec.resolution);
  return {
    phases: list,
    diskBytes: kept * checkpointBytes + pictures,
    checkpointBytes,
    seconds: list.reduce((sum, { images, secondsPerKimg }) => sum + (images / 1000) * secondsPerKimg, 0),
    images: list.reduce((sum, { images }) => sum + images, 0),
  };
}
