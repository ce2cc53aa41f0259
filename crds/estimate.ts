/** What a run will take, said before it starts: memory, disk and, roughly, time. */
import { forwardMacs, variableBytes } from './cost.ts';
import { phaseMemoryBytes, type PhaseShape, phaseShape } from './memory.ts';
import { resolveNetwork, resolveSchedule } from './resolve.ts';
import { fadingImages, phases } from './schedule.ts';
import type { PGGANTrainingSpec } from './v1alpha1/pggan-training.ts';

export type PhaseEstimate = {
  readonly shape: PhaseShape;
  readonly images: number;
  /** Of those, shown while the resolution fades in. */
  readonly fadingImages: number;
  /** Of its process, at its peak; within 15% on a CPU. */
  readonly memoryBytes: number;
  /** By `phaseSecondsPerKimg`. */
  readonly secondsPerKimg: number;
};

export type Estimate = {
  readonly phases: readonly PhaseEstimate[];
  /** Checkpoints kept (the last ones and one per phase) and pictures. */
  readonly diskBytes: number;
  /** One checkpoint. */
  readonly checkpointBytes: number;
  /** The sum over the phases, as far off as they are. */
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
          secondsPerKimg: phaseSecondsPerKimg(shape, spec.threads),
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

/**
 * Seconds that a thousand images of a phase take without fade on a CPU that computes bfloat16 (AVX-512), within a factor of 1.7 of each row
 * that was measured there with two threads and 16 images per step (docs/performance.md; estimate.cases.ts holds the figures). Other numbers of threads and
 * images are extrapolated. A processor with AVX2 alone took 7 times as long as this says, and in mixed precision 72 times; nothing is known of GPUs.
 *
 * The terms: the arithmetic, at one speed for all networks; and starting some hundred operations, once per pass over a microbatch.
 */
export function phaseSecondsPerKimg(
  { network, resolution, minibatch, microbatch = minibatch, precision }: Omit<PhaseShape, 'finalResolution'>,
  threads: number,
): number {
  const flop = TRAINING_FLOP_PER_MAC * forwardMacs(network, resolution);
  // At 4x4 mixed precision computes in float32.
  const speed = FLOP_PER_SECOND_AND_THREAD * threads * (resolution > 4 ? SPEED[precision] : 1);
  return 1000 * (flop / speed + SECONDS_PER_PASS / Math.min(microbatch, minibatch));
}

/** Floating-point operations of training on one image (both steps, the penalty's second derivative included) per multiply-add of a forward pass. */
const TRAINING_FLOP_PER_MAC = 18;
/** Fitted to the measurements, all at once, so that the largest quotient is the least. */
const FLOP_PER_SECOND_AND_THREAD = 135e9;
const SPEED = { Float32: 1, BFloat16Mixed: 1.55 } as const;
const SECONDS_PER_PASS = 0.005;
