/** The training program of one resolution and minibatch: its variables and its steps, ready to be compiled. */
import type { ProgramDefinition } from '../backend/program.ts';
import { discriminatorWeights, generatorWeights, type NetworkShapes, usedWeights, type WeightSpec } from '../networks/weights.ts';
import { exampleFeeds } from './example-feeds.ts';
import { microbatchOf, type ProgramKey, shapesOf, type StepName, type StepOptions } from './step-options.ts';
import { gradientSteps, type NetworkWeights, sampleStep, updateSteps, wholeSteps } from './steps.ts';

/**
 * Steps `discriminator` (D update, then the averaged generator), `generator` (G update) and `sample` (images of the averaged generator).
 *
 * Feeds of both updates: `latents` [N, latentSize], `learningRate`, `beta1Power`, `beta2Power` (b^t of this update), `fade` [] when fading,
 * `labels` [N, L] when there are labels (D: those of the reals; G: fresh ones). D also takes `reals` [N, r, r, C] with values 0..255,
 * `mixing` [N, 1, 1, 1] in [0, 1) and, with mirror augmentation, `mirror` [N, 1, 1, 1] of 0 and 1.
 *
 * Where the microbatch is smaller than the minibatch, each update is two steps instead: `...Gradients`, once per microbatch, adds its share
 * of the gradient to variables `gradient/...` and reports the scalars without `finite`; `...Update` applies what was gathered, reports
 * `finite` and leaves zeros. They are steps of their own because TensorFlow is free to run parts of one graph side by side, which would
 * need the memory of the whole minibatch after all.
 */
export function trainingProgram(options: StepOptions, key: ProgramKey, mode: ProgramDefinition['mode']): ProgramDefinition {
  const all = weightsOf(shapesOf(options), key);
  const inParts = microbatchOf(key) < key.minibatch;
  return {
    mode,
    variables: { ...trainedVariables(all), ...(inParts ? gradientVariables(all) : {}) },
    steps: (variables) => {
      const context = { options, key, variables, ...all };
      return {
        ...(inParts ? { ...gradientSteps(context), ...updateSteps(context) } : wholeSteps(context)),
        sample: (feeds) => sampleStep(context, feeds),
      };
    },
    example: (step, variant) => exampleFeeds(options, key, step as StepName, variant),
  };
}

function weightsOf(shapes: NetworkShapes, key: ProgramKey): { readonly specs: NetworkWeights; readonly used: NetworkWeights } {
  const upTo = (specs: readonly WeightSpec[]) => specs.filter(({ resolution }) => resolution <= key.resolution);
  const used = (specs: readonly WeightSpec[]) => {
    const names = new Set(usedWeights(specs, key.resolution, key.fading));
    return specs.filter(({ name }) => names.has(name));
  };
  const specs = { G: upTo(generatorWeights(shapes.G)), D: upTo(discriminatorWeights(shapes.D)) };
  return { specs, used: { G: used(specs.G), D: used(specs.D) } };
}

type Shapes = ProgramDefinition['variables'];

function trainedVariables({ specs: { G, D } }: { readonly specs: NetworkWeights }): Shapes {
  return Object.fromEntries([
    ...['G', 'Gs', 'adam_m/G', 'adam_v/G'].flatMap((prefix) => G.map(({ name, shape }) => [`${prefix}/${name}`, shape] as const)),
    ...['D', 'adam_m/D', 'adam_v/D'].flatMap((prefix) => D.map(({ name, shape }) => [`${prefix}/${name}`, shape] as const)),
  ]);
}

/** Zero between two updates, and so no part of a run's state. */
function gradientVariables({ used: { G, D } }: { readonly used: NetworkWeights }): Shapes {
  return Object.fromEntries([
    ...G.map(({ name, shape }) => [`gradient/G/${name}`, shape] as const),
    ...D.map(({ name, shape }) => [`gradient/D/${name}`, shape] as const),
  ]);
}

/** Whether a variable of a program outlives it. */
export const isTrained = (variable: string): boolean => !variable.startsWith('gradient/');
