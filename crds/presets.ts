/** The paper's configurations by name, and the bounds on minibatches that a GPU's memory sets by precision. Frozen: a name never changes its meaning. */
import type { Precision } from './run.ts';

/** A value per resolution in pixels; resolutions that are absent have the base value. */
export type PerResolution = { readonly [resolution: number]: number };

/** What a preset decides. It always means one process: `gpus` only rounds minibatches and multiplies their bounds. */
export type Preset = {
  readonly description: string;
  readonly gpus: number;
  readonly trainKimg: number;
  readonly transitionKimg: number;
  readonly minibatchRepeats: number;
  readonly minibatchBase: number;
  readonly minibatches: PerResolution;
  readonly learningRateBase: number;
  readonly learningRates: PerResolution;
  readonly tickKimgBase: number;
  readonly ticks: PerResolution;
  readonly mbstdGroupSize: number;
  /** Thousands of images that the paper trains with it. A training says its own totalKimg. */
  readonly totalKimg: number;
};

/** What applies where neither the spec nor a preset says otherwise. */
export const BASE: Preset = {
  description: 'No preset',
  gpus: 1,
  trainKimg: 600,
  transitionKimg: 600,
  minibatchRepeats: 4,
  minibatchBase: 16,
  minibatches: {},
  learningRateBase: 0.001,
  learningRates: {},
  tickKimgBase: 160,
  ticks: { 4: 160, 8: 140, 16: 120, 32: 100, 64: 80, 128: 60, 256: 40, 512: 20, 1024: 10 },
  mbstdGroupSize: 4,
  totalKimg: 15000,
};

export const PRESET_NAMES = ['v1-1gpu', 'v2-1gpu', 'v2-2gpus', 'v2-4gpus', 'v2-8gpus'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  'v1-1gpu': {
    ...BASE,
    description: "The paper's first version, one GPU",
    trainKimg: 800,
    transitionKimg: 800,
    minibatches: { 256: 14, 512: 6, 1024: 3 },
    mbstdGroupSize: 16,
    totalKimg: 19000,
  },
  'v2-1gpu': {
    ...BASE,
    description: "The paper's final version, one GPU",
    minibatchBase: 4,
    minibatches: { 4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4 },
    learningRates: { 1024: 0.0015 },
    totalKimg: 12000,
  },
  'v2-2gpus': {
    ...BASE,
    description: "The paper's final version with the minibatches of two GPUs",
    gpus: 2,
    minibatchBase: 8,
    minibatches: { 4: 256, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8 },
    learningRates: { 512: 0.0015, 1024: 0.002 },
    totalKimg: 12000,
  },
  'v2-4gpus': {
    ...BASE,
    description: "The paper's final version with the minibatches of four GPUs",
    gpus: 4,
    minibatchBase: 16,
    minibatches: { 4: 512, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16 },
    learningRates: { 256: 0.0015, 512: 0.002, 1024: 0.003 },
    totalKimg: 12000,
  },
  'v2-8gpus': {
    ...BASE,
    description: "The paper's final version with the minibatches of eight GPUs",
    gpus: 8,
    minibatchBase: 32,
    minibatches: { 4: 512, 8: 256, 16: 128, 32: 64, 64: 32 },
    learningRates: { 128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003 },
    totalKimg: 12000,
  },
};

/** Images per step and GPU at most, where schedule.maxMinibatchPerGpu is absent. */
export const MAX_MINIBATCH_PER_GPU: Readonly<Record<Precision, PerResolution>> = {
  Float32: { 256: 16, 512: 8, 1024: 4 },
  BFloat16Mixed: { 512: 16, 1024: 8 },
};
