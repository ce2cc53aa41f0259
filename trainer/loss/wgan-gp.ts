/** Wasserstein loss with gradient penalty (Gulrajani et al. 2017), drift penalty (Karras et al. 2018, appendix A.1) and label terms. */
import * as tf from '@tensorflow/tfjs';
import type { LossOptions } from '../../crds/run.ts';
import { discriminator, prepareDiscriminator } from '../networks/discriminator.ts';
import { type GeneratorInput, generator } from '../networks/generator.ts';
import type { NetworkShapes, Weights } from '../networks/weights.ts';
import { withoutGradient } from '../ops/without-gradient.ts';

/** `reals` [N, r, r, C] in [-1, 1] at the current resolution, faded as the images of G are; `mixing` [N, 1, 1, 1] in [0, 1). */
export type DiscriminatorLossInput = GeneratorInput & { readonly reals: tf.Tensor4D; readonly mixing: tf.Tensor4D };

/** Per sample and unweighted: scores and `epsilonPenalty` [N, 1], `mixedNorms` and label penalties [N]. */
export type DiscriminatorTerms = {
  readonly realScores: tf.Tensor2D;
  readonly fakeScores: tf.Tensor2D;
  readonly mixedScores: tf.Tensor2D;
  readonly mixedNorms: tf.Tensor1D;
  readonly epsilonPenalty: tf.Tensor2D;
  readonly labelPenaltyReals?: tf.Tensor1D;
  readonly labelPenaltyFakes?: tf.Tensor1D;
};

export type GeneratorTerms = { readonly fakeScores: tf.Tensor2D; readonly labelPenaltyFakes?: tf.Tensor1D };

/**
 * The mean over the minibatch of
 *   D(fake) - D(real) + lambda / target^2 (|| grad D(mixed) || - target)^2 + epsilon D(real)^2 + weight (CE(real) + CE(fake)).
 * Fakes are constants to D's weights and carry the labels of the reals. The gradient is that of images at the final resolution, whose
 * pixels are shared by k^2 of theirs at a resolution k times lower: its norm is k times smaller than that of the images given.
 */
export function discriminatorLoss(
  shapes: NetworkShapes,
  loss: LossOptions,
  weightsG: Weights,
  weightsD: Weights,
  input: DiscriminatorLossInput,
): { readonly loss: tf.Scalar; readonly terms: DiscriminatorTerms } {
  const { reals, mixing, labels } = input;
  const judge = prepareDiscriminator(shapes.D, weightsD, input);
  const fakes = withoutGradient(() => generator(shapes.G, weightsG, input));
  const real = judge(reals);
  const fake = judge(fakes);
  const mixed = tf.add(reals, tf.mul(tf.sub(fakes, reals), mixing));
  // The sum of all scores is differentiated: minibatch statistics couple the samples, and the reference includes that.
  const { value: mixedScores, grad } = tf.valueAndGrad((x: tf.Tensor) => judge(x as tf.Tensor4D).scores)(mixed);
  const mixedNorms = tf.mul(tf.sqrt(tf.sum(tf.square(grad), [1, 2, 3])), input.resolution / shapes.D.resolution) as tf.Tensor1D;
  const gradientPenalty = tf.square(tf.sub(mixedNorms, loss.wganTarget));
  const epsilonPenalty = tf.square(real.scores);

  const terms: DiscriminatorTerms = {
    realScores: real.scores,
    fakeScores: fake.scores,
    mixedScores,
    mixedNorms,
    epsilonPenalty,
    ...(labels && real.labels && fake.labels
      ? { labelPenaltyReals: crossEntropy(labels, real.labels), labelPenaltyFakes: crossEntropy(labels, fake.labels) }
      : {}),
  };
  return {
    loss: sum([
      tf.mean(tf.sub(fake.scores, real.scores)),
      tf.mul(tf.mean(gradientPenalty), loss.wganLambda / loss.wganTarget ** 2),
      tf.mul(tf.mean(epsilonPenalty), loss.wganEpsilon),
      ...labelLosses(loss, [terms.labelPenaltyReals, terms.labelPenaltyFakes]),
    ]),
    terms,
  };
}

/** The mean over the minibatch of -D(fake) + weight CE(fake). */
export function generatorLoss(
  shapes: NetworkShapes,
  loss: LossOptions,
  weightsG: Weights,
  weightsD: Weights,
  input: GeneratorInput,
): { readonly loss: tf.Scalar; readonly terms: GeneratorTerms } {
  const fake = discriminator(shapes.D, weightsD, generator(shapes.G, weightsG, input), input);
  const terms: GeneratorTerms = {
    fakeScores: fake.scores,
    ...(input.labels && fake.labels ? { labelPenaltyFakes: crossEntropy(input.labels, fake.labels) } : {}),
  };
  return { loss: sum([tf.neg(tf.mean(fake.scores)), ...labelLosses(loss, [terms.labelPenaltyFakes])]), terms };
}

/** Cross-entropy [N] of logits [N, L] against labels [N, L] (AC-GAN, Odena et al. 2017). Not part of any second derivative. */
const crossEntropy = (labels: tf.Tensor2D, logits: tf.Tensor2D): tf.Tensor1D => tf.neg(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1));

function labelLosses(loss: LossOptions, penalties: readonly (tf.Tensor | undefined)[]): readonly tf.Tensor[] {
  return penalties.flatMap((penalty) => (penalty ? [tf.mul(tf.mean(penalty), loss.condWeight)] : []));
}

const sum = (parts: readonly tf.Tensor[]): tf.Scalar => parts.reduce((a, b) => tf.add(a, b)) as tf.Scalar;
