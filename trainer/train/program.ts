/** The two steps of PG-GAN training, and sampling, as a program over named variables (Karras et al. 2018; Algorithm 1 of Gulrajani et al. 2017). */
import * as tf from '@tensorflow/tfjs';
import type { LossOptions, OptimizerOptions, Precision } from '../../crds/run.ts';
import type { Feeds, Outputs, ProgramDefinition, Variable, Variables } from '../backend/program.ts';
import { allFinite, applyAdamIf, applyLerp } from '../backend/updates.ts';
import { processReals } from '../data/process-reals.ts';
import { lossAndGradients } from '../loss/gradients.ts';
import { discriminatorLoss, generatorLoss } from '../loss/wgan-gp.ts';
import { generator } from '../networks/generator.ts';
import {
  discriminatorWeights,
  generatorWeights,
  type NetworkShape,
  usedWeights,
  type Weights,
  type WeightSpec,
} from '../networks/weights.ts';
import { withPrecision } from '../ops/precision.ts';

/** What the steps of a run have in common. */
export type StepOptions = {
  readonly shape: NetworkShape;
  readonly loss: LossOptions;
  readonly optimizer: OptimizerOptions;
  /** Decay of the averaged generator, per D step. */
  readonly averagingDecay: number;
  readonly precision: Precision;
  readonly mirrorAugment: boolean;
};

/** What a program is compiled for: shapes are fixed, and so is whether the previous resolution is blended in. */
export type ProgramKey = { readonly resolution: number; readonly minibatch: number; readonly fading: boolean };

/** The scalars that a step reports, in the order of its output `scalars`. Means over the minibatch. `finite` is 0 when the update was skipped. */
const DISCRIMINATOR_SCALARS = ['finite', 'loss', 'realScores', 'fakeScores', 'mixedScores', 'mixedNorms', 'epsilonPenalty'] as const;
const GENERATOR_SCALARS = ['finite', 'loss', 'fakeScores'] as const;

/** Names of the scalars of a step, label penalties included when the networks have labels. */
export function scalarNames(step: 'discriminator' | 'generator', labelSize: number): readonly string[] {
  if (step === 'generator') return labelSize > 0 ? [...GENERATOR_SCALARS, 'labelPenaltyFakes'] : GENERATOR_SCALARS;
  return labelSize > 0 ? [...DISCRIMINATOR_SCALARS, 'labelPenaltyReals', 'labelPenaltyFakes'] : DISCRIMINATOR_SCALARS;
}

/**
 * Steps `discriminator` (D update, then the averaged generator), `generator` (G update) and `sample` (images of the averaged generator).
 *
 * Feeds of both updates: `latents` [N, latentSize], `learningRate`, `beta1Power`, `beta2Power` (b^t of this update), `fade` [] when fading,
 * `labels` [N, L] when there are labels (D: those of the reals; G: fresh ones). D also takes `reals` [N, r, r, C] with values 0..255,
 * `mixing` [N, 1, 1, 1] in [0, 1) and, with mirror augmentation, `mirror` [N, 1, 1, 1] of 0 and 1.
 */
export function trainingProgram(options: StepOptions, key: ProgramKey, mode: ProgramDefinition['mode']): ProgramDefinition {
  const { shape } = options;
  const G = generatorWeights(shape).filter((spec) => spec.resolution <= key.resolution);
  const D = discriminatorWeights(shape).filter((spec) => spec.resolution <= key.resolution);
  return {
    mode,
    variables: Object.fromEntries([
      ...['G', 'Gs', 'adam_m/G', 'adam_v/G'].flatMap((prefix) => G.map((spec) => [`${prefix}/${spec.name}`, spec.shape] as const)),
      ...['D', 'adam_m/D', 'adam_v/D'].flatMap((prefix) => D.map((spec) => [`${prefix}/${spec.name}`, spec.shape] as const)),
    ]),
    steps: (variables) => ({
      discriminator: (feeds) => discriminatorStep(options, key, variables, { G, D }, feeds),
      generator: (feeds) => generatorStep(options, key, variables, { G, D }, feeds),
      sample: (feeds) => sampleStep(options, key, variables, feeds),
    }),
    example: (step, variant) => exampleFeeds(options, key, step, variant),
  };
}

type Specs = { readonly G: readonly WeightSpec[]; readonly D: readonly WeightSpec[] };

function discriminatorStep(options: StepOptions, key: ProgramKey, variables: Variables, specs: Specs, feeds: Feeds): Outputs {
  return tf.tidy(() => {
    const { shape, loss } = options;
    const images = processReals(feed(feeds, 'reals') as tf.Tensor4D, {
      ...(feeds['fade'] ? { fade: feeds['fade'] } : {}),
      ...(feeds['mirror'] ? { mirror: feeds['mirror'] } : {}),
    });
    const weightsG = readAll(variables, 'G', specs.G);
    const weightsD = readAll(variables, 'D', used(specs.D, key));
    const { value, terms, gradients } = withPrecision(options.precision, () =>
      lossAndGradients(weightsD, (weights) =>
        discriminatorLoss(shape, loss, pick(weightsG), pick(weights), {
          reals: images,
          mixing: feed(feeds, 'mixing') as tf.Tensor4D,
          ...commonFeeds(key, feeds),
        }),
      ),
    );
    const finite = update('D', options, variables, specs.D, gradients, feeds);
    for (const spec of specs.G) {
      applyLerp(variable(variables, `Gs/${spec.name}`), pick(weightsG)(spec.name), 1 - options.averagingDecay);
    }
    return {
      scalars: tf.stack([
        finite,
        value,
        ...means(DISCRIMINATOR_SCALARS.slice(2), shape.labelSize, ['labelPenaltyReals', 'labelPenaltyFakes'], terms),
      ]),
    };
  });
}

function generatorStep(options: StepOptions, key: ProgramKey, variables: Variables, specs: Specs, feeds: Feeds): Outputs {
  return tf.tidy(() => {
    const weightsG = readAll(variables, 'G', used(specs.G, key));
    const weightsD = readAll(variables, 'D', used(specs.D, key));
    const { value, terms, gradients } = withPrecision(options.precision, () =>
      lossAndGradients(weightsG, (weights) =>
        generatorLoss(options.shape, options.loss, pick(weights), pick(weightsD), commonFeeds(key, feeds)),
      ),
    );
    const finite = update('G', options, variables, specs.G, gradients, feeds);
    return {
      scalars: tf.stack([finite, value, ...means(GENERATOR_SCALARS.slice(2), options.shape.labelSize, ['labelPenaltyFakes'], terms)]),
    };
  });
}

function sampleStep(options: StepOptions, key: ProgramKey, variables: Variables, feeds: Feeds): Outputs {
  return tf.tidy(() => {
    const images = withPrecision(options.precision, () =>
      generator(options.shape, (name) => variable(variables, `Gs/${name}`).read(), commonFeeds(key, feeds)),
    );
    return { images };
  });
}

/** Adam on every weight of a network, skipped as a whole when any gradient is not finite. Returns 1, or 0 where it was skipped. */
function update(
  network: 'G' | 'D',
  options: StepOptions,
  variables: Variables,
  specs: readonly WeightSpec[],
  gradients: Readonly<Record<string, tf.Tensor>>,
  feeds: Feeds,
): tf.Scalar {
  const finite = allFinite(Object.values(gradients));
  const rates = {
    learningRate: feed(feeds, 'learningRate'),
    beta1Power: feed(feeds, 'beta1Power'),
    beta2Power: feed(feeds, 'beta2Power'),
    beta1: options.optimizer.beta1,
    beta2: options.optimizer.beta2,
    epsilon: options.optimizer.epsilon,
  };
  const updates = specs.flatMap(({ name, shape }) => {
    // A layer that this resolution does not use has zero gradients; with Adam's state reset at both ends of a fade its moments are
    // zero too and an update would change nothing.
    const gradient = gradients[name] ?? (options.optimizer.resetForNewLod ? undefined : tf.zeros([...shape]));
    if (!gradient) return [];
    const of = (prefix: string): Variable => variable(variables, `${prefix}${network}/${name}`);
    return [{ variable: of(''), m: of('adam_m/'), v: of('adam_v/'), gradient }];
  });
  applyAdamIf(finite, rates, updates);
  return finite;
}

function commonFeeds(key: ProgramKey, feeds: Feeds) {
  return {
    latents: feed(feeds, 'latents') as tf.Tensor2D,
    resolution: key.resolution,
    ...(feeds['labels'] ? { labels: feeds['labels'] as tf.Tensor2D } : {}),
    ...(feeds['fade'] ? { fade: feeds['fade'] as tf.Scalar } : {}),
  };
}

function means(
  names: readonly string[],
  labelSize: number,
  labelNames: readonly string[],
  terms: Readonly<Record<string, tf.Tensor | undefined>>,
): tf.Tensor[] {
  return [...names, ...(labelSize > 0 ? labelNames : [])].map((name) => {
    const term = terms[name];
    if (!term) throw new Error(`the loss reports no ${name}`);
    return tf.mean(term);
  });
}

function used(specs: readonly WeightSpec[], key: ProgramKey): readonly WeightSpec[] {
  const names = new Set(usedWeights(specs, key.resolution, key.fading));
  return specs.filter((spec) => names.has(spec.name));
}

function readAll(variables: Variables, network: string, specs: readonly WeightSpec[]): Record<string, tf.Tensor> {
  return Object.fromEntries(specs.map((spec) => [spec.name, variable(variables, `${network}/${spec.name}`).read()]));
}

function pick(weights: Readonly<Record<string, tf.Tensor>>): Weights {
  return (name) => weights[name] ?? missing('weight', name);
}

function variable(variables: Variables, name: string): Variable {
  return variables[name] ?? missing('variable', name);
}

function feed(feeds: Feeds, name: string): tf.Tensor {
  return feeds[name] ?? missing('feed', name);
}

function missing(what: string, name: string): never {
  throw new Error(`the step needs a ${what} '${name}'`);
}

/** Feeds to trace a step with. Their values are arbitrary but differ between variants, and the networks' outputs on them are finite. */
function exampleFeeds(options: StepOptions, key: ProgramKey, step: string, variant: number): Feeds {
  const { minibatch: n, resolution: r } = key;
  const { latentSize, labelSize, channels } = options.shape;
  const wave = (shape: number[], scale: number, offset: number): tf.Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(
      Float32Array.from({ length: size }, (_, i) => offset + scale * Math.sin(1 + i * (0.7 + 0.1 * variant) + variant)),
      shape,
    );
  };
  const feeds: Record<string, tf.Tensor> = { latents: wave([n, latentSize], 1, 0) };
  if (labelSize > 0) feeds['labels'] = wave([n, labelSize], 0.5, 0.5);
  if (key.fading) feeds['fade'] = tf.scalar(0.25 + variant / 4);
  if (step === 'sample') return feeds;
  feeds['learningRate'] = tf.scalar(0.001 * (1 + variant));
  feeds['beta1Power'] = tf.scalar(0.5 * options.optimizer.beta1 * (1 + variant / 2));
  feeds['beta2Power'] = tf.scalar(0.9 + variant / 20);
  if (step === 'generator') return feeds;
  feeds['reals'] = wave([n, r, r, channels], 100, 128);
  feeds['mixing'] = wave([n, 1, 1, 1], 0.4, 0.5);
  if (options.mirrorAugment)
    feeds['mirror'] = tf.tensor(
      Float32Array.from({ length: n }, (_, i) => (i + variant) % 2),
      [n, 1, 1, 1],
    );
  return feeds;
}
