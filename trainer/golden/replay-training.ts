/** Replays the training iterations of a golden case through the training program: D step with averaging, then G step, with Adam. */
import * as tf from '@tensorflow/tfjs';
import { PgganError } from '../../crds/errors.ts';
import { compileProgram } from '../backend/compile.ts';
import type { Feeds, Program, ProgramDefinition } from '../backend/program.ts';
import { trainingProgram } from '../train/program.ts';
import { scalarNames } from '../train/step-options.ts';
import { type GoldenCase, goldenTensor } from './case.ts';
import { type Deviation, largestDeviation, type Quantity, type Tolerances } from './deviations.ts';
import { currentImages, levelOf } from './levels.ts';

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
  const compare = (key: string, quantity: Quantity, actual: ArrayLike<number>): void => {
    const deviation = largestDeviation(actual, golden.values(key).data);
    deviations.push({ at: `${key} (${mode})`, quantity, deviation, tolerance: tolerances[quantity] });
  };
  try {
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      const from = `${at}/it${iteration}`;
      for (const [step, network] of [
        ['discriminator', 'D'],
        ['generator', 'G'],
      ] as const) {
        const loss = runStep(golden, program, step, lod, iteration);
        compare(`${from}/${network}_loss_mean`, 'losses', [loss]);
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
  const { shape, loss, optimizer, averagingDecay } = golden;
  const options = { shape, loss, optimizer, averagingDecay, precision: 'Float32', mirrorAugment: false } as const;
  const resolution = shape.resolution / 2 ** Math.floor(lod);
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
    const level = levelOf(shape, lod);
    const feeds: Feeds = {
      latents: goldenTensor(golden, `${input}/lat${network}`),
      ...(shape.labelSize > 0 ? { labels: goldenTensor(golden, `${input}/lab${network}`) } : {}),
      ...(level.fade ? { fade: level.fade } : {}),
      learningRate: tf.scalar(learningRate),
      beta1Power: tf.scalar(optimizer.beta1 ** (iteration + 1)),
      beta2Power: tf.scalar(optimizer.beta2 ** (iteration + 1)),
      ...(step === 'discriminator'
        ? {
            reals: pixelsBeforeFade(currentImages(goldenTensor<tf.Rank.R4>(golden, `${input}/reals`), level.resolution), lod % 1),
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

/** Variables that the program of this resolution leaves out keep their initial value, and their moments are zero. */
function compareState(
  golden: GoldenCase,
  program: Program,
  at: string,
  compare: (key: string, quantity: Quantity, actual: ArrayLike<number>) => void,
): void {
  const state = program.read();
  for (const network of ['G', 'D'] as const) {
    for (const name of golden.weightNames[network]) {
      const initial = golden.values(`weights/${network}/${name}`).data;
      const zeros = new Float32Array(initial.length);
      compare(`${at}/after/${network}/${name}`, 'weightsTrained', state.get(`${network}/${name}`) ?? initial);
      compare(`${at}/adam_m/${network}/${name}`, 'adamMoments', state.get(`adam_m/${network}/${name}`) ?? zeros);
      compare(`${at}/adam_v/${network}/${name}`, 'adamMoments', state.get(`adam_v/${network}/${name}`) ?? zeros);
      if (network === 'G') compare(`${at}/after/Gs/${name}`, 'weightsAveraged', state.get(`Gs/${name}`) ?? initial);
    }
  }
}
