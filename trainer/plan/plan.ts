/** What a training will take, phase by phase: images, memory and whether it fits, and time where speed was measured. Decisions only. */
import { type Estimate, estimate, type PhaseEstimate } from '../../crds/estimate.ts';
import { largestMicrobatch, largestMinibatch } from '../../crds/memory.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import type { MemoryLimit } from '../backend/memory-limit.ts';
import type { PhaseSpeed } from './measure.ts';

export type PlannedPhase = {
  readonly resolution: number;
  readonly images: number;
  readonly fadingImages: number;
  readonly minibatch: number;
  readonly memoryBytes: number;
  /** What its process may use, and who says so; null where nobody does. */
  readonly limitBytes: number | null;
  readonly limitSource: string | null;
  readonly fits: boolean;
  /** Where it does not fit: the largest minibatch that does, and the largest part of the planned one; null where there is none, or no need. */
  readonly largestMinibatch: number | null;
  readonly largestMicrobatch: number | null;
  /** Null without fade, or where it was not measured. */
  readonly fadingSecondsPerKimg: number | null;
  readonly settledSecondsPerKimg: number | null;
  /** Of its whole phase, start included: measured, or the estimate of crds/estimate.ts. */
  readonly seconds: number;
  readonly isMeasured: boolean;
};

export type TrainingPlan = {
  readonly name: string;
  readonly resolution: number;
  readonly precision: string;
  readonly threads: number;
  /** What it was measured on; null where it was not. */
  readonly processor: string | null;
  readonly backend: string | null;
  readonly phases: readonly PlannedPhase[];
  readonly images: number;
  readonly seconds: number;
  readonly diskBytes: number;
  readonly fits: boolean;
};

/** Measures a phase, or decides not to. */
export type Measure = (phase: PhaseEstimate) => Promise<PhaseSpeed | undefined>;

export async function planTraining(
  { metadata, spec }: PGGANTraining,
  limitOf: (resolution: number) => MemoryLimit | undefined,
  measure: Measure,
): Promise<TrainingPlan> {
  const known: Estimate = estimate(spec);
  const phases: PlannedPhase[] = [];
  let backend: PhaseSpeed['backend'] | undefined;
  for (const phase of known.phases) {
    const speed = await measure(phase);
    backend ??= speed?.backend;
    phases.push(planned(phase, limitOf(phase.shape.resolution), speed));
  }
  return {
    name: metadata.name,
    resolution: spec.resolution,
    precision: spec.precision,
    threads: spec.threads,
    processor: backend?.processor ?? null,
    backend: backend ? `${backend.kind} ${backend.version}` : null,
    phases,
    images: known.images,
    seconds: phases.reduce((sum, { seconds }) => sum + seconds, 0),
    diskBytes: known.diskBytes,
    fits: phases.every(({ fits }) => fits),
  };
}

/** Whether an estimate lies within a limit; where there is none, everything does. */
export const isWithin = (bytes: number, limit: MemoryLimit | undefined): boolean => limit === undefined || bytes <= limit.bytes;

function planned(phase: PhaseEstimate, limit: MemoryLimit | undefined, speed: PhaseSpeed | undefined): PlannedPhase {
  const { shape, images, fadingImages, memoryBytes } = phase;
  const fits = isWithin(memoryBytes, limit);
  return {
    resolution: shape.resolution,
    images,
    fadingImages,
    minibatch: shape.minibatch,
    memoryBytes,
    limitBytes: limit?.bytes ?? null,
    limitSource: limit?.source ?? null,
    fits,
    largestMinibatch: fits || !limit ? null : (largestMinibatch(shape, limit.bytes) ?? null),
    largestMicrobatch: fits || !limit ? null : (largestMicrobatch(shape, limit.bytes) ?? null),
    fadingSecondsPerKimg: speed?.fadingSecondsPerKimg ?? null,
    settledSecondsPerKimg: speed?.settledSecondsPerKimg ?? null,
    seconds: speed ? measuredSeconds(phase, speed) : (images / 1000) * phase.secondsPerKimg,
    isMeasured: speed !== undefined,
  };
}

function measuredSeconds({ images, fadingImages }: PhaseEstimate, speed: PhaseSpeed): number {
  const { fadingSecondsPerKimg = speed.settledSecondsPerKimg, settledSecondsPerKimg, startSeconds } = speed;
  return startSeconds + (fadingImages / 1000) * fadingSecondsPerKimg + ((images - fadingImages) / 1000) * settledSecondsPerKimg;
}
