/** Replays forward pass, loss terms and gradients of a golden case through a program whose variables are the case's weights. */
import * as tf from '@tensorflow/tfjs';
import { compileProgram } from '../backend/compile.ts';
import type { Feeds, Outputs, Program, ProgramDefinition, StepFunction, Variables } from '../backend/program.ts';
import { lossAndGradients } from '../loss/gradients.ts';
import { discriminatorLoss, generatorLoss } from '../loss/wgan-gp.ts';
import { discriminator } from '../networks/discriminator.ts';
import { generator } from '../networks/generator.ts';
import { shapesOf } from '../train/step-options.ts';
import { type GoldenCase, goldenTensor } from './case.ts';
import { compared, type Deviation, quantityOf, type Tolerances } from './deviations.ts';
import { currentImages, fadeFeed, fullImages, resolutionAt } from './levels.ts';

const STEPS = ['forward', 'lossD', 'lossG'] as const;
type Step = (typeof STEPS)[number];

/** Compares everything that the case holds for one level of detail. */
export function replayLosses(
  golden: GoldenCase,
  lod: number,
  mode: ProgramDefinition['mode'],
  tolerances: Tolerances,
): readonly Deviation[] {
  const program = compileProgram(lossesProgram(golden, lod, mode));
  try {
    program.write(new Map(weightsOf(golden).map((key) => [key, golden.values(`weights/${key}`).data])));
    const found = new Map(STEPS.flatMap((step) => valuesOf(program, step, feedsOf(golden, lod, step))));
    // A weight that the level does not use has no gradient: the case holds zeros.
    const unused = weightsOf(golden).flatMap((key) =>
      found.has(`grad/${key}`) ? [] : [[`grad/${key}`, new Float32Array(golden.values(`weights/${key}`).data.length)] as const],
    );
    return [...found, ...unused].map(([name, actual]) => {
      const key = `lod${lod}/${name}`;
      return compared(`${key} (${mode})`, quantityOf(key), actual, golden.values(key).data, tolerances);
    });
  } finally {
    program.dispose();
  }
}

/** Outputs go by the case's own names. Feeds: `latents`, `labels` where there are labels, `fade` between two levels, `reals`, `mixing`. */
function lossesProgram(golden: GoldenCase, lod: number, mode: ProgramDefinition['mode']): ProgramDefinition {
  return {
    mode,
    variables: Object.fromEntries(weightsOf(golden).map((key) => [key, golden.values(`weights/${key}`).shape])),
    steps: (variables) => stepsOf(golden, resolutionAt(golden.shape, lod), variables),
    example: (step, variant) =>
      tf.tidy(() => Object.fromEntries(Object.entries(feedsOf(golden, lod, step as Step)).map(([name, x]) => [name, x.div(1 + variant)]))),
  };
}

function stepsOf(golden: GoldenCase, resolution: number, variables: Variables): Readonly<Record<Step, StepFunction>> {
  const { loss, weightNames } = golden;
  const shapes = shapesOf(golden);
  const read = (network: 'G' | 'D') =>
    Object.fromEntries(weightNames[network].map((name) => [name, variables[`${network}/${name}`]!.read()]));
  return {
    forward: (feeds) => {
      const input = { ...inputOf(feeds), resolution };
      const judged = discriminator(shapes.D, byName(read('D')), feeds['reals'] as tf.Tensor4D, input);
      return {
        'out/G_images': fullImages(generator(shapes.G, byName(read('G')), input), shapes.G.resolution),
        'out/D_real_scores': judged.scores,
        ...(judged.labels ? { 'out/D_real_labels': judged.labels } : {}),
      };
    },
    lossD: (feeds) => {
      const weightsG = read('G');
      const { value, terms, gradients } = lossAndGradients(read('D'), (weights) =>
        discriminatorLoss(shapes, loss, byName(weightsG), byName(weights), {
          ...inputOf(feeds),
          resolution,
          reals: feeds['reals'] as tf.Tensor4D,
          mixing: feeds['mixing'] as tf.Tensor4D,
        }),
      );
      return {
        'out/D_loss_mean': value,
        'out/terms/real_scores': terms.realScores,
        'out/terms/fake_scores': terms.fakeScores,
        'out/terms/mixed_scores': terms.mixedScores,
        'out/terms/mixed_norms': terms.mixedNorms,
        'out/terms/epsilon_penalty': terms.epsilonPenalty,
        ...(terms.labelPenaltyReals ? { 'out/terms/label_penalty_reals': terms.labelPenaltyReals } : {}),
        ...(terms.labelPenaltyFakes ? { 'out/terms/label_penalty_fakes': terms.labelPenaltyFakes } : {}),
        ...named('D', gradients),
      };
    },
    lossG: (feeds) => {
      const weightsD = read('D');
      const { value, gradients } = lossAndGradients(read('G'), (weights) =>
        generatorLoss(shapes, loss, byName(weights), byName(weightsD), { ...inputOf(feeds), resolution }),
      );
      return { 'out/G_loss_mean': value, ...named('G', gradients) };
    },
  };
}

const named = (network: 'G' | 'D', gradients: Outputs): Outputs =>
  Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [`grad/${network}/${name}`, gradient]));

function inputOf({ latents, labels, fade }: Feeds) {
  return {
    latents: latents as tf.Tensor2D,
    ...(labels ? { labels: labels as tf.Tensor2D } : {}),
    ...(fade ? { fade: fade as tf.Scalar } : {}),
  };
}

const byName =
  (weights: Outputs) =>
  (name: string): tf.Tensor =>
    weights[name] ?? missing(name);

function missing(name: string): never {
  throw new Error(`the golden case has no weight ${name}`);
}

/** What the case feeds to a step; the generator's loss has latents and labels of its own. */
function feedsOf(golden: GoldenCase, lod: number, step: Step): Record<string, tf.Tensor> {
  const tensor = <R extends tf.Rank>(name: string): tf.Tensor<R> => goldenTensor<R>(golden, `lod${lod}/in/${name}`);
  const network = step === 'lossG' ? 'G' : 'D';
  return tf.tidy(() => ({
    latents: tensor(`lat${network}`),
    ...(golden.shape.labelSize > 0 ? { labels: tensor(`lab${network}`) } : {}),
    ...fadeFeed(lod),
    ...(step === 'lossG' ? {} : { reals: currentImages(tensor<tf.Rank.R4>('reals'), resolutionAt(golden.shape, lod)) }),
    ...(step === 'lossD' ? { mixing: tensor('u') } : {}),
  }));
}

function valuesOf(program: Program, step: Step, feeds: Feeds): readonly (readonly [key: string, values: Float32Array])[] {
  const outputs = program.run(step, feeds);
  try {
    return Object.entries(outputs).map(([key, output]) => [key, output.dataSync<'float32'>()]);
  } finally {
    tf.dispose([feeds, outputs]);
  }
}

/** The weights of both networks as `G/<name>` and `D/<name>`. */
const weightsOf = ({ weightNames }: GoldenCase): readonly string[] =>
  (['G', 'D'] as const).flatMap((network) => weightNames[network].map((name) => `${network}/${name}`));
