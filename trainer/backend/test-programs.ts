/** Programs that the tests of this folder run: a small WGAN-GP discriminator step with everything that makes training hard to trace. */
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { compileProgram } from './compile.ts';
import type { Feeds, Outputs, Program, ProgramDefinition, Variables } from './program.ts';
import { allFinite, applyAdamIf, applyLerp } from './updates.ts';

export type PenaltySize = { readonly images: number; readonly side: number; readonly maps: number };
const SMALL: PenaltySize = { images: 4, side: 8, maps: 8 };

/** Step `update`: scores of reals and of a generator's images, the gradient penalty between them, Adam, and an average of the first filter. */
export function penaltyProgram(mode: ProgramDefinition['mode'], size = SMALL): ProgramDefinition {
  const { images, side, maps } = size;
  const weights = { up: [4, 4, 1, maps], from: [3, 3, 1, maps], down: [4, 4, maps, maps], out: [(side / 2) ** 2 * maps, 1] } as const;
  return {
    mode,
    variables: {
      ...weights,
      ...Object.fromEntries(
        Object.entries(weights).flatMap(([name, shape]) => [
          [`m/${name}`, shape],
          [`v/${name}`, shape],
        ]),
      ),
      average: weights.from,
    },
    steps: (variables) => ({ update: (feeds) => update(variables, Object.keys(weights), feeds) }),
    example: (_, variant) => penaltyFeeds(variant, size, images),
  };
}

export function penaltyFeeds(seed: number, { images, side, maps } = SMALL, count = images): Feeds {
  return {
    latents: tf.tensor(noise(seed, count * (side / 2) ** 2 * maps), [count, side / 2, side / 2, maps]),
    reals: tf.tensor(noise(seed + 0.5, count * side * side), [count, side, side, 1]),
    mixing: tf.tensor(noise(seed + 0.25, count).map(Math.abs), [count, 1, 1, 1]),
    beta2Power: tf.scalar(0.99 ** (seed + 1)),
  };
}

/** Values in [-1, 1) that depend on seed and place alone. */
export function noise(seed: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => {
    const x = Math.sin(index * 12.9898 + seed * 78.233 + 1) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
}

/** Fills the variables of a penalty program (moments stay zero) and runs it for some steps. */
export function runPenalty(
  mode: ProgramDefinition['mode'],
  steps: number,
): { readonly losses: readonly number[]; readonly program: Program } {
  const definition = penaltyProgram(mode);
  const program = compileProgram(definition);
  const trained = Object.entries(definition.variables).filter(([name]) => !/^[mv]\//.test(name));
  program.write(
    new Map(
      trained.map(([name, shape], index) => [name, noise(100 + index, tf.util.sizeFromShape([...shape])).map((value) => value / 10)]),
    ),
  );
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const feeds = penaltyFeeds(step);
    const outputs = program.run('update', feeds);
    losses.push(outputs['loss']!.dataSync()[0]!);
    tf.dispose([feeds, outputs]);
  }
  return { losses, program };
}

/** SHA-256 over all variables of a program. */
export function digest(program: Program): string {
  const hash = createHash('sha256');
  for (const [name, values] of program.read())
    hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest('hex');
}

function update(variables: Variables, names: readonly string[], feeds: Feeds): Outputs {
  const { latents, reals, mixing, beta2Power } = feeds as Readonly<Record<string, tf.Tensor4D>>;
  const read = names.map((name) => variables[name]!.read());
  const [up, ...discriminator] = read;
  const { value, grads } = tf.engine().gradients(
    () => {
      const fakes = tf.conv2dTranspose(latents!, up as tf.Tensor4D, [reals!.shape[0], reals!.shape[1], reals!.shape[2], 1], 2, 'same');
      const mixed = tf.add(reals!, tf.mul(tf.sub(fakes, reals!), mixing!)) as tf.Tensor4D;
      const gradient = tf.grad((x) => tf.sum(scores(x as tf.Tensor4D, discriminator)))(mixed);
      const norms = tf.sqrt(tf.add(tf.sum(tf.square(gradient), [1, 2, 3]), 1e-8));
      const penalty = tf.mul(tf.mean(tf.square(tf.sub(norms, 1))), 10);
      return tf.add(tf.sub(tf.mean(scores(fakes, discriminator)), tf.mean(scores(reals!, discriminator))), penalty);
    },
    read,
    undefined,
    true,
  );
  const finite = allFinite(grads);
  const adam = { beta1Power: 0, beta2Power: beta2Power!, learningRate: 0.001, beta1: 0, beta2: 0.99, epsilon: 1e-8 };
  const updates = names.map((name, index) => ({
    variable: variables[name]!,
    m: variables[`m/${name}`]!,
    v: variables[`v/${name}`]!,
    gradient: grads[index]!,
  }));
  applyAdamIf(finite, adam, updates);
  applyLerp(variables['average']!, variables['from']!.read(), 0.001);
  return { loss: value, finite };
}

function scores(x: tf.Tensor4D, [from, down, out]: readonly tf.Tensor[]): tf.Tensor {
  const first = leaky(tf.conv2d(x, from as tf.Tensor4D, 1, 'same'));
  const second = leaky(tf.conv2d(first, down as tf.Tensor4D, 2, 'same'));
  return tf.matMul(tf.reshape(second, [x.shape[0], -1]), out as tf.Tensor2D);
}

/** Leaky ReLU of ops that every backend can differentiate twice. */
const leaky = <T extends tf.Tensor>(x: T): T => tf.add(tf.mul(x, 0.2), tf.mul(tf.relu(x), 0.8));
