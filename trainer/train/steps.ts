/** The steps of PG-GAN training and sampling over variables and feeds (Karras et al. 2018; Algorithm 1 of Gulrajani et al. 2017). */
import * as tf from '@tensorflow/tfjs';
import type { Feeds, Outputs, StepFunction, Variable, Variables } from '../backend/program.ts';
import { allFinite, applyAdamIf, applyLerp, applySum } from '../backend/updates.ts';
import { processReals } from '../data/process-reals.ts';
import { lossAndGradients } from '../loss/gradients.ts';
import { discriminatorLoss, generatorLoss } from '../loss/wgan-gp.ts';
import { generator } from '../networks/generator.ts';
import type { Weights, WeightSpec } from '../networks/weights.ts';
import { withPrecision } from '../ops/precision.ts';
import { microbatchOf, type NetworkStep, type ProgramKey, scalarNames, shapesOf, type StepOptions } from './step-options.ts';

export type NetworkWeights = { readonly G: readonly WeightSpec[]; readonly D: readonly WeightSpec[] };

export type StepContext = {
  readonly options: StepOptions;
  readonly key: ProgramKey;
  readonly variables: Variables;
  /** Weights up to the resolution of the step, and those of them that it uses. */
  readonly specs: NetworkWeights;
  readonly used: NetworkWeights;
};

/** Both updates over the whole minibatch at once. */
export function wholeSteps(context: StepContext): Readonly<Record<NetworkStep, StepFunction>> {
  return {
    discriminator: (feeds) =>
      tf.tidy(() => {
        const weightsG = readAll(context, 'G', context.specs.G);
        const { scalars, gradients } = discriminatorGradients(context, weightsG, feeds);
        const finite = update(context, 'D', gradients, feeds);
        average(context, weightsG);
        return { scalars: tf.stack([finite, ...scalars]) };
      }),
    generator: (feeds) =>
      tf.tidy(() => {
        const { scalars, gradients } = generatorGradients(context, feeds);
        const finite = update(context, 'G', gradients, feeds);
        return { scalars: tf.stack([finite, ...scalars]) };
      }),
  };
}

/** The share of one microbatch in the gradient of the minibatch's mean loss, added to what is there. */
export function gradientSteps(context: StepContext): Readonly<Record<`${NetworkStep}Gradients`, StepFunction>> {
  return {
    discriminatorGradients: (feeds) =>
      tf.tidy(() => {
        const { scalars, gradients } = discriminatorGradients(context, readAll(context, 'G', context.used.G), feeds);
        gather(context, 'D', gradients);
        return { scalars: tf.stack([...scalars]) };
      }),
    generatorGradients: (feeds) =>
      tf.tidy(() => {
        const { scalars, gradients } = generatorGradients(context, feeds);
        gather(context, 'G', gradients);
        return { scalars: tf.stack([...scalars]) };
      }),
  };
}

/** Both updates from the gradients gathered, which are zero afterwards. */
export function updateSteps(context: StepContext): Readonly<Record<`${NetworkStep}Update`, StepFunction>> {
  return {
    discriminatorUpdate: (feeds) =>
      tf.tidy(() => {
        const finite = updateFromGathered(context, 'D', feeds);
        average(context, readAll(context, 'G', context.specs.G));
        return { finite };
      }),
    generatorUpdate: (feeds) => tf.tidy(() => ({ finite: updateFromGathered(context, 'G', feeds) })),
  };
}

/** In float32 whatever the precision of the training, as every other command draws from the same weights: its figures are those of `evaluate`. */
export function sampleStep({ options, key, variables }: StepContext, feeds: Feeds): Outputs {
  return tf.tidy(() => ({ images: generator(options.shape, (name) => variable(variables, `Gs/${name}`).read(), commonFeeds(key, feeds)) }));
}

type LossGradients = { readonly scalars: readonly tf.Tensor[]; readonly gradients: Readonly<Record<string, tf.Tensor>> };

function discriminatorGradients(context: StepContext, weightsG: Readonly<Record<string, tf.Tensor>>, feeds: Feeds): LossGradients {
  const { options, key } = context;
  const images = processReals(feed(feeds, 'reals') as tf.Tensor4D, {
    ...(feeds['fade'] ? { fade: feeds['fade'] } : {}),
    ...(feeds['mirror'] ? { mirror: feeds['mirror'] } : {}),
  });
  const weightsD = readAll(context, 'D', context.used.D);
  const { value, terms, gradients } = withPrecision(options.precision, () =>
    lossAndGradients(weightsD, (weights) =>
      discriminatorLoss(shapesOf(options), options.loss, pick(weightsG), pick(weights), {
        reals: images,
        mixing: feed(feeds, 'mixing') as tf.Tensor4D,
        ...commonFeeds(key, feeds),
      }),
    ),
  );
  return { scalars: scalarsOf(context, 'discriminator', value, terms), gradients };
}

function generatorGradients(context: StepContext, feeds: Feeds): LossGradients {
  const { options, key, used } = context;
  const weightsG = readAll(context, 'G', used.G);
  const weightsD = readAll(context, 'D', used.D);
  const { value, terms, gradients } = withPrecision(options.precision, () =>
    lossAndGradients(weightsG, (weights) =>
      generatorLoss(shapesOf(options), options.loss, pick(weights), pick(weightsD), commonFeeds(key, feeds)),
    ),
  );
  return { scalars: scalarsOf(context, 'generator', value, terms), gradients };
}

/** The scalars of a step in their order, without `finite`. */
function scalarsOf(
  { options }: StepContext,
  step: NetworkStep,
  loss: tf.Scalar,
  terms: Readonly<Record<string, tf.Tensor | undefined>>,
): readonly tf.Tensor[] {
  const [, , ...names] = scalarNames(step, options.shape.labelSize);
  return [loss, ...names.map((name) => tf.mean(terms[name] ?? missing('term of the loss', name)))];
}

/** The loss is a mean over the minibatch, so each microbatch has an equal share in its gradient. A value that is not finite stays so. */
function gather({ key, variables }: StepContext, network: 'G' | 'D', gradients: Readonly<Record<string, tf.Tensor>>): void {
  for (const [name, gradient] of Object.entries(gradients)) {
    applySum(variable(variables, `gradient/${network}/${name}`), gradient, microbatchOf(key) / key.minibatch);
  }
}

function updateFromGathered(context: StepContext, network: 'G' | 'D', feeds: Feeds): tf.Scalar {
  const gathered = context.used[network].map(({ name }) => [name, variable(context.variables, `gradient/${network}/${name}`)] as const);
  const gradients = Object.fromEntries(gathered.map(([name, gradient]) => [name, gradient.read()]));
  const finite = update(context, network, gradients, feeds);
  for (const [name, gradient] of gathered) gradient.assign(tf.zerosLike(gradients[name] ?? missing('gradient', name)));
  return finite;
}

/** Adam on every weight of a network, skipped as a whole when any gradient is not finite. Returns 1, or 0 where it was skipped. */
function update(context: StepContext, network: 'G' | 'D', gradients: Readonly<Record<string, tf.Tensor>>, feeds: Feeds): tf.Scalar {
  const { options, variables, specs } = context;
  const finite = allFinite(Object.values(gradients));
  const rates = {
    learningRate: feed(feeds, 'learningRate'),
    beta1Power: feed(feeds, 'beta1Power'),
    beta2Power: feed(feeds, 'beta2Power'),
    beta1: options.optimizer.beta1,
    beta2: options.optimizer.beta2,
    epsilon: options.optimizer.epsilon,
  };
  const updates = specs[network].flatMap(({ name, shape }) => {
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

/** The averaged generator follows G as it was before its own step. */
function average({ options, variables, specs }: StepContext, weightsG: Readonly<Record<string, tf.Tensor>>): void {
  for (const { name } of specs.G) applyLerp(variable(variables, `Gs/${name}`), pick(weightsG)(name), 1 - options.averagingDecay);
}

function commonFeeds(key: ProgramKey, feeds: Feeds) {
  return {
    latents: feed(feeds, 'latents') as tf.Tensor2D,
    resolution: key.resolution,
    ...(feeds['labels'] ? { labels: feeds['labels'] as tf.Tensor2D } : {}),
    ...(feeds['fade'] ? { fade: feeds['fade'] as tf.Scalar } : {}),
  };
}

function readAll({ variables }: StepContext, network: string, specs: readonly WeightSpec[]): Record<string, tf.Tensor> {
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
