/** Reads a golden case: a safetensors file whose metadata says which networks its numbers belong to. */
import * as tf from '@tensorflow/tfjs';
import { PgganError } from '../../crds/errors.ts';
import { LOSS_DEFAULTS, type LossOptions, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS, type OptimizerOptions } from '../../crds/run.ts';
import { parseSafetensors } from '../checkpoint/safetensors.ts';
import type { NetworkShape } from '../networks/weights.ts';

export type GoldenCase = {
  readonly name: string;
  /** Of G, and of D: each takes its own options. */
  readonly shape: NetworkShape;
  readonly shapeD: NetworkShape;
  readonly loss: LossOptions;
  readonly optimizer: OptimizerOptions;
  readonly learningRate: number;
  readonly averagingDecay: number;
  /** Levels of detail with forward values and gradients, and with three training iterations. */
  readonly lods: readonly number[];
  readonly trainLods: readonly number[];
  /** Names of the weights of each network, in the reference's order. */
  readonly weightNames: { readonly G: readonly string[]; readonly D: readonly string[] };
  readonly has: (key: string) => boolean;
  /** The tensor of that key as float32. @throws {PgganError} CheckpointInvalid when the file lacks it */
  readonly values: (key: string) => GoldenValues;
};

type GoldenValues = { readonly shape: readonly number[]; readonly data: Float32Array };

/** @throws {PgganError} CheckpointInvalid, naming what the file lacks or contradicts */
export function readGoldenCase(bytes: Uint8Array, file: string): GoldenCase {
  const { tensors, metadata } = parseSafetensors(bytes, file);
  const refuse = (problem: string): never => {
    throw new PgganError('CheckpointInvalid', `${file} is not a golden case: ${problem}`);
  };
  const text = (key: string): string => metadata[key] ?? refuse(`its metadata lacks '${key}'`);
  const number = (key: string, otherwise?: number): number =>
    otherwise !== undefined && metadata[key] === undefined ? otherwise : Number(text(key));
  const numbers = (key: string): readonly number[] => JSON.parse(text(key)) as number[];
  const names = (key: string): readonly string[] => JSON.parse(text(key)) as string[];
  const shapeOf = (network: 'G' | 'D'): NetworkShape => ({
    ...NETWORK_DEFAULTS,
    channels: number('num_channels') === 3 ? 3 : 1,
    resolution: number('resolution'),
    labelSize: number('label_size'),
    fmapBase: number('fmap_base'),
    fmapMax: number('fmap_max'),
    latentSize: number('latent_size'),
    ...switches(JSON.parse(text(`${network}_kwargs`)) as Keywords, refuse),
  });
  return {
    name: metadata['case'] ?? file,
    shape: shapeOf('G'),
    shapeD: shapeOf('D'),
    loss: {
      wganLambda: number('wgan_lambda', LOSS_DEFAULTS.wganLambda),
      wganEpsilon: number('wgan_epsilon', LOSS_DEFAULTS.wganEpsilon),
      wganTarget: number('wgan_target', LOSS_DEFAULTS.wganTarget),
      condWeight: number('cond_weight', LOSS_DEFAULTS.condWeight),
    },
    optimizer: {
      ...OPTIMIZER_DEFAULTS,
      beta1: number('beta1', OPTIMIZER_DEFAULTS.beta1),
      beta2: number('beta2', OPTIMIZER_DEFAULTS.beta2),
      epsilon: number('epsilon', OPTIMIZER_DEFAULTS.epsilon),
    },
    learningRate: number('lr', 0.001),
    averagingDecay: number('ema_beta', 0.999),
    lods: numbers('lods'),
    trainLods: numbers('train_lods'),
    weightNames: { G: names('G_trainables'), D: names('D_trainables') },
    has: (key) => tensors.has(key),
    values: (key) => {
      const stored = tensors.get(key);
      if (stored?.dtype !== 'F32') return refuse(`it lacks the float32 tensor '${key}'`);
      // A copy, because a tensor may start anywhere in the file and a Float32Array only at a multiple of four.
      return { shape: stored.shape, data: new Float32Array(Uint8Array.from(stored.data).buffer) };
    },
  };
}

/** The values of `key` as a tensor of the current scope. */
export function goldenTensor<R extends tf.Rank = tf.Rank>(golden: GoldenCase, key: string): tf.Tensor<R> {
  const { shape, data } = golden.values(key);
  return tf.tensor<R>(data, [...shape] as tf.ShapeMap[R]);
}

type Keywords = Readonly<Record<string, unknown>>;

/** The reference's keyword arguments by our names. A network ignores those of the other, as the reference's does. */
const KEYWORDS = {
  fmap_base: 'fmapBase',
  fmap_decay: 'fmapDecay',
  fmap_max: 'fmapMax',
  use_wscale: 'useWscale',
  fused_scale: 'fusedScale',
  latent_size: 'latentSize',
  normalize_latents: 'normalizeLatents',
  use_pixelnorm: 'usePixelnorm',
  pixelnorm_epsilon: 'pixelnormEpsilon',
  use_leakyrelu: 'useLeakyRelu',
  mbstd_group_size: 'mbstdGroupSize',
} as const satisfies Readonly<Record<string, keyof NetworkShape>>;

// How the reference builds its graph; the numbers are the same.
const IRRELEVANT = ['structure', 'dtype', 'is_template_graph'];

function switches(keywords: Keywords, refuse: (problem: string) => never): Partial<NetworkShape> {
  return Object.fromEntries(
    Object.entries(keywords)
      .filter(([key]) => !IRRELEVANT.includes(key))
      .map(([key, value]) => [key in KEYWORDS ? KEYWORDS[key as keyof typeof KEYWORDS] : refuse(`unknown network option '${key}'`), value]),
  );
}
