/** Replays the training iterations of a golden case through the training program: D step with averaging, then G step, with Adam. */
import * as tf from '@tensorflow/tfjs';
import { PgganError } from '../../crds/errors.ts';
import { compileProgram } from '../backend/compile.ts';
import type { Feeds, Program, ProgramDefinition } from '../backend/program.ts';
import { adamFeeds } from '../train/feeds.ts';
import { trainingProgram } from '../train/program.ts';
import { scalarNames } from '../train/step-options.ts';
import { type GoldenCase, goldenTensor } from './case.ts';
import { compared, type Deviation, largestDeviation, quantityOf, type Tolerances } from './deviations.ts';
import { currentImages, fadeFeed, resolutionAt } from './levels.ts';

const ITERATIONS = 3;

/** Compares losses of every iteration, then weights, averaged weights and moments after the last, for one level of detail. */
export function replayTraining(
  golden: GoldenCase,
  lod: number,
  mode: ProgramDefinition['mode'],
  tolerances: Tolerances,
): readonly Deviation[] {
  const at = `train_lod${lod}`;
  const program = startProgram(golden, lod, mode);
  const deviations: Deviation[] = [];
  const compare = (key: string, actual: ArrayLike<number>): void => {
    deviations.push(compared(`${key} (${mode})`, quantityOf(key), actual, golden.values(key).data, tolerances));
  };
  try {
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      const from = `${at}/it${iteration}`;
      for (const [step, network] of [
        ['discriminator', 'D'],
        ['generator', 'G'],
      ] as const) {
        const loss = runStep(golden, program, step, lod, iteration);
        compare(`${from}/${network}_loss_mean`, [loss]);
      }
    }
    compareState(golden, program, at, compare);
  } finally {
    program.dispose();
  }
  return deviations;
}

/** A program at that level with the case's weights, the average equal to the generator and the moments zero. */
function startProgram(golden: GoldenCase, lod: number, mode: ProgramDefinition['mode']): Program {
  const { shape, shapeD, loss, optimizer, averagingDecay } = golden;
  const options = { shape, shapeD, loss, optimizer, averagingDecay, precision: 'Float32', mirrorAugment: false } as const;
  const resolution = resolutionAt(shape, lod);
  const minibatch = golden.values(`train_lod${lod}/it0/in/latD`).shape[0] ?? 0;
  const definition = trainingProgram(options, { resolution, minibatch, fading: lod % 1 > 0 }, mode);
  const program = compileProgram(definition);
  const initial = Object.keys(definition.variables).flatMap((name) => {
    const weight = /^(G|D|Gs)\/(.*)$/.exec(name);
    return weight ? [[name, golden.values(`weights/${weight[1] === 'Gs' ? 'G' : weight[1]}/${weight[2]}`).data] as const] : [];
  });
  program.write(new Map(initial));
  return program;
}

function runStep(golden: GoldenCase, program: Program, step: 'discriminator' | 'generator', lod: number, iteration: number): number {
  const network = step === 'discriminator' ? 'D' : 'G';
  const scalars = tf.tidy(() => {
    const input = `train_lod${lod}/it${iteration}/in`;
    const { shape, optimizer, learningRate } = golden;
    const rates = adamFeeds(optimizer, learningRate, iteration);
    const feeds: Feeds = {
      latents: goldenTensor(golden, `${input}/lat${network}`),
      ...(shape.labelSize > 0 ? { labels: goldenTensor(golden, `${input}/lab${network}`) } : {}),
      ...fadeFeed(lod),
      learningRate: tf.scalar(rates.learningRate),
      beta1Power: tf.scalar(rates.beta1Power),
      beta2Power: tf.scalar(rates.beta2Power),
      ...(step === 'discriminator'
        ? {
            reals: pixelsBeforeFade(currentImages(goldenTensor<tf.Rank.R4>(golden, `${input}/reals`), resolutionAt(shape, lod)), lod % 1),
            mixing: goldenTensor(golden, `${input}/u`),
          }
        : {}),
    };
    return program.run(step, feeds)['scalars']!.dataSync();
  }) as Float32Array;
  return scalars[scalarNames(step, golden.shape.labelSize).indexOf('loss')] ?? Number.NaN;
}

/**
 * The case holds reals in [-1, 1] after the fade, x + (mean - x) fade; the program takes pixels 0..255 and fades them itself. Block means
 * survive the fade, so it can be undone, and what comes out must be whole numbers.
 */
function pixelsBeforeFade(faded: tf.Tensor4D, fade: number): tf.Tensor4D {
  const [n, height, width, channels] = faded.shape;
  const means = tf.image.resizeNearestNeighbor(tf.avgPool(faded, 2, 2, 'valid'), [height, width]);
  const images = fade > 0 ? means.add(faded.sub(means).div(1 - fade)) : faded;
  const pixels = images.add(1).mul(127.5);
  const rounded = pixels.round();
  if (largestDeviation(pixels.dataSync(), rounded.dataSync()) > 0.01)
    throw new PgganError('CheckpointInvalid', `the reals of the golden case are no 8-bit pixels faded by ${fade}`);
  return rounded.reshape([n, height, width, channels]);
}

/**
 * Variables that the program of this resolution leaves out keep their initial value, and their moments are zero. The reference keeps
 * the powers of Adam's betas beside the moments: those that its next update would take.
 */
function compareState(golden: GoldenCase, program: Program, at: string, compare: (key: string, actual: ArrayLike<number>) => void): void {
  const state = program.read();
  const next = adamFeeds(golden.optimizer, golden.learningRate, ITERATIONS);
  for (const network of ['G', 'D'] as const) {
    for (const beta of ['beta1', 'beta2'] as const) {
      const key = `${at}/adam_${beta}_power/${network}`;
      if (golden.has(key)) compare(key, [next[`${beta}Power`]]);
    }
    for (const name of golden.weightNames[network]) {
      const initial = golden.values(`weights/${network}/${name}`).data;
      const zeros = new Float32Array(initial.length);
      compare(`${at}/after/${network}/${name}`, state.get(`${network}/${name}`) ?? initial);
      compare(`${at}/adam_m/${network}/${name}`, state.get(`adam_m/${network}/${name}`) ?? zeros);
      compare(`${at}/adam_v/${network}/${name}`, state.get(`adam_v/${network}/${name}`) ?? zeros);
      if (network === 'G') compare(`${at}/after/Gs/${name}`, state.get(`Gs/${name}`) ?? initial);
    }
  }
}
