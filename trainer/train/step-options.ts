/** What a training step is compiled for, what its parts are called, and which scalars it reports. */
import type { LossOptions, OptimizerOptions, Precision } from '../../crds/run.ts';
import type { NetworkShape, NetworkShapes } from '../networks/weights.ts';

/** What the steps of a run have in common. */
export type StepOptions = {
  readonly shape: NetworkShape;
  /** D's, where its options are not those of G. */
  readonly shapeD?: NetworkShape;
  readonly loss: LossOptions;
  readonly optimizer: OptimizerOptions;
  /** Decay of the averaged generator, per D step. */
  readonly averagingDecay: number;
  readonly precision: Precision;
  readonly mirrorAugment: boolean;
};

export const shapesOf = ({ shape, shapeD = shape }: Pick<StepOptions, 'shape' | 'shapeD'>): NetworkShapes => ({ G: shape, D: shapeD });

/** What a program is compiled for: shapes are fixed, and so is whether the previous resolution is blended in. */
export type ProgramKey = {
  readonly resolution: number;
  readonly minibatch: number;
  /** Images per forward and backward pass: a divisor of `minibatch`, which is what it is where it is absent. */
  readonly microbatch?: number | undefined;
  readonly fading: boolean;
};

export type NetworkStep = 'discriminator' | 'generator';
/** A step over the whole minibatch, or its two halves where the minibatch is worked through in parts. */
export type StepName = NetworkStep | `${NetworkStep}Gradients` | `${NetworkStep}Update` | 'sample';

/** Images per forward and backward pass. */
export const microbatchOf = ({ minibatch, microbatch }: ProgramKey): number => microbatch ?? minibatch;

/** The scalars that a step reports, in the order of its output `scalars`. Means over the minibatch. `finite` is 0 when the update was skipped. */
const DISCRIMINATOR_SCALARS = ['finite', 'loss', 'realScores', 'fakeScores', 'mixedScores', 'mixedNorms', 'epsilonPenalty'] as const;
const GENERATOR_SCALARS = ['finite', 'loss', 'fakeScores'] as const;

/** Names of the scalars of a step, label penalties included when the networks have labels. */
export function scalarNames(step: NetworkStep, labelSize: number): readonly string[] {
  if (step === 'generator') return labelSize > 0 ? [...GENERATOR_SCALARS, 'labelPenaltyFakes'] : GENERATOR_SCALARS;
  return labelSize > 0 ? [...DISCRIMINATOR_SCALARS, 'labelPenaltyReals', 'labelPenaltyFakes'] : DISCRIMINATOR_SCALARS;
}
