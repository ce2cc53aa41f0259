/** How much memory the process of a phase takes: a formula over the shapes of its networks, fitted to measurements; and what would fit. */
import { minibatchDivides } from './check-schedule.ts';
import { featureMaps, parameters, variableBytes } from './cost.ts';
import type { NetworkOptions, Precision, TrainingRun } from './run.ts';
import type { Level } from './schedule.ts';

/** What decides the memory of the process that trains a phase. */
export type PhaseShape = {
  readonly network: NetworkOptions;
  /** At which the networks end; all their variables exist from the first checkpoint on. */
  readonly finalResolution: number;
  /** Of the phase. */
  readonly resolution: number;
  /** Images per update. */
  readonly minibatch: number;
  /** Images per forward and backward pass, whose gradients are added up; the whole minibatch by default. */
  readonly microbatch?: number | undefined;
  readonly precision: Precision;
};

/** Of a run's phase at one level of its schedule. */
export function phaseShape(
  { network, schedule, precision }: Pick<TrainingRun, 'network' | 'schedule' | 'precision'>,
  level: Level,
): PhaseShape {
  const { resolution, minibatch, microbatch } = level;
  return { network, finalResolution: schedule.resolution, resolution, minibatch, microbatch, precision };
}

/**
 * The most bytes that are resident at any time in the process that trains a phase on a CPU, from the checkpoint it begins with to the one it
 * ends with: within 15% of what was measured (docs/performance.md; memory.test.ts holds the figures). A traced step is first run op by op,
 * and that is its peak, so it holds for both ways of running it. Threads of one op make no difference that could be measured.
 *
 * The terms: code of Node and libtensorflow; graphs, which grow by a part per resolution; copies of the variables of the final resolution on
 * the host (restored, current, being saved); copies of the phase's variables in TensorFlow, with their gradients and scaled weights; and for
 * each image of a pass every layer's output, as often as the two derivatives of the gradient penalty keep it.
 */
export function phaseMemoryBytes({
  network,
  finalResolution,
  resolution,
  minibatch,
  microbatch = minibatch,
  precision,
}: PhaseShape): number {
  const passImages = Math.min(microbatch, minibatch);
  return (
    BASE_BYTES +
    BYTES_PER_RESOLUTION * (Math.log2(resolution) - 1) +
    HOST_COPIES * variableBytes(network, finalResolution) +
    TENSORFLOW_COPIES * variableBytes(network, resolution) +
    FEATURES[resolution > 4 ? precision : 'Float32'] * passImages * featureBytes(network, resolution) +
    (passImages < minibatch ? gradientBytes(network, resolution) : 0)
  );
}

/**
 * The largest heap of the WebAssembly backend that a step takes, which runs op by op through plain ops and so keeps more of everything. Its
 * heap grows in steps of a fifth, which is how far off this may be.
 */
export function wasmHeapBytes({ network, resolution, minibatch, microbatch = minibatch }: PhaseShape): number {
  return (
    WASM.copies * variableBytes(network, resolution) + WASM.features * Math.min(microbatch, minibatch) * featureBytes(network, resolution)
  );
}

type Estimate = (phase: PhaseShape) => number;

/** The largest minibatch below the phase's own that fits into `bytes` and consists of whole minibatch-stddev groups; undefined where none does. */
export function largestMinibatch(phase: PhaseShape, bytes: number, estimate: Estimate = phaseMemoryBytes): number | undefined {
  const { microbatch: _, ...whole } = phase;
  return below(phase.minibatch).find(
    (minibatch) => minibatchDivides(minibatch, phase.network.mbstdGroupSize) && estimate({ ...whole, minibatch }) <= bytes,
  );
}

/** The largest part of the phase's minibatch, in whole groups, whose passes fit into `bytes`; undefined where none does. */
export function largestMicrobatch(phase: PhaseShape, bytes: number, estimate: Estimate = phaseMemoryBytes): number | undefined {
  const { minibatch, network } = phase;
  const group = Math.max(1, Math.min(network.mbstdGroupSize, minibatch));
  return below(minibatch).find(
    (microbatch) => minibatch % microbatch === 0 && microbatch % group === 0 && estimate({ ...phase, microbatch }) <= bytes,
  );
}

/** The whole numbers below `count`, from the largest to 1. */
const below = (count: number): readonly number[] => Array.from({ length: Math.max(0, count - 1) }, (_, index) => count - 1 - index);

/** Fitted to the measurements of docs/performance.md, all at once. */
const BASE_BYTES = 550e6;
const BYTES_PER_RESOLUTION = 25e6;
const HOST_COPIES = 2.1;
const TENSORFLOW_COPIES = 2.3;
/** At 4x4 mixed precision computes in float32. */
const FEATURES = { Float32: 15, BFloat16Mixed: 8.4 } as const;

const WASM = { copies: 3.8, features: 65 };

/** One float32 gradient of every weight of both networks. */
function gradientBytes(network: NetworkOptions, resolution: number): number {
  const { generator, discriminator } = parameters(network, resolution);
  return 4 * (generator + discriminator);
}

/** Float32 outputs of all layers of the discriminator for one image of `resolution`, the image included; those of the generator are as large. */
function featureBytes(network: NetworkOptions, resolution: number): number {
  const maps = (stage: number): number => featureMaps(network, stage);
  const top = Math.log2(resolution) - 1;
  let values = resolution ** 2 * (network.channels + maps(top)) + 16 * maps(1) + maps(0);
  for (let stage = 2; stage <= top; stage++) {
    const pixels = 4 ** (stage + 1);
    // Without fused scaling the second convolution puts out all pixels before they are averaged.
    values += pixels * maps(stage) + (network.fusedScale ? pixels / 4 : (pixels * 5) / 4) * maps(stage - 1);
  }
  return 4 * values;
}
