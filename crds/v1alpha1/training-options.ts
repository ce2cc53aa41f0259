/** The options of a PGGANTraining that make up its schedule, networks, origin, phases and checkpoints. */
import { z } from 'zod';
import { BASE } from '../presets.ts';
import { METRIC_NAMES, NETWORK_DEFAULTS } from '../run.ts';
import { atomicList, decimal, integer, mapList, positiveDecimal, reference, resolution, rules, uri } from './common.ts';
import { podTemplate } from './pod-template.ts';

const minibatch = integer(1, 4096);
const learningRates = {
  generatorLearningRate: positiveDecimal.optional().describe('Learning rate of the generator\'s Adam, such as "0.0015".'),
  discriminatorLearningRate: positiveDecimal.optional().describe('Learning rate of the discriminator\'s Adam, such as "0.0015".'),
};
const perResolution = <S extends z.ZodRawShape>(fields: S, description: string) =>
  z
    .array(z.strictObject({ resolution: resolution.describe('Width and height in pixels that this entry is for.'), ...fields }))
    .max(9)
    .optional()
    .meta(mapList(`${description} Replaces the list of the preset whole.`, 'resolution'));

export const schedule = z.strictObject({
  trainKimg: integer(0, 1_000_000)
    .optional()
    .describe(`Thousands of images shown at each resolution once it has faded in. Default: the preset's, else ${BASE.trainKimg}.`),
  transitionKimg: integer(0, 1_000_000)
    .optional()
    .describe(`Thousands of images shown while a resolution fades in. Default: the preset's, else ${BASE.transitionKimg}.`),
  initialResolution: resolution
    .optional()
    .describe('Width and height in pixels at which training starts. Default: 4. Equal to spec.resolution: no growing.'),
  minibatchRepeats: integer(1, 64)
    .optional()
    .describe(`Pairs of discriminator and generator steps between two looks at the schedule. Default: ${BASE.minibatchRepeats}.`),
  minibatchBase: minibatch
    .optional()
    .describe(`Images per step where minibatches names none. Default: the preset's, else ${BASE.minibatchBase}.`),
  minibatches: perResolution({ minibatch: minibatch.describe('Images per step.') }, 'Images per step, by resolution.'),
  maxMinibatchPerGpu: perResolution(
    { minibatch: minibatch.describe('Images per step and GPU at most.') },
    'Upper bounds of images per step and GPU, by resolution. Default: by precision, see the documentation of presets.',
  ),
  learningRateBase: positiveDecimal
    .optional()
    .describe(`Learning rate of both networks where learningRates names none. Default: the preset's, else "${BASE.learningRateBase}".`),
  learningRates: perResolution(learningRates, 'Learning rates, by resolution.'),
  tickKimgBase: integer(1, 100_000)
    .optional()
    .describe(
      `Thousands of images between two reports (log line, picture) where ticks names none; without ticks, at every resolution. Default: ${BASE.tickKimgBase}.`,
    ),
  ticks: perResolution(
    { kimg: integer(1, 100_000).describe('Thousands of images between two reports.') },
    'Thousands of images between two reports (log line, picture), by resolution. Default: 160 at 4x4 falling to 10 at 1024x1024.',
  ),
});

const N = NETWORK_DEFAULTS;
export const network = z.strictObject({
  channels: z.literal([1, 3]).optional().describe(`Channels of an image: 1 for grey, 3 for RGB. Default: ${N.channels}.`),
  fmapBase: integer(1, 65_536)
    .optional()
    .describe(`Feature maps at resolution 2^r are fmapBase / 2^((r-1) * fmapDecay), at most fmapMax. Default: ${N.fmapBase}.`),
  fmapDecay: decimal.optional().describe(`How fast feature maps fall with the resolution. Default: "${N.fmapDecay}".`),
  fmapMax: integer(1, 4096).optional().describe(`Feature maps of a layer at most. Default: ${N.fmapMax}.`),
  latentSize: integer(1, 4096).optional().describe(`Length of a latent vector. Default: ${N.latentSize}.`),
  normalizeLatents: z
    .boolean()
    .optional()
    .describe(`Whether latent vectors are scaled to a mean square of 1. Default: ${N.normalizeLatents}.`),
  useWscale: z.boolean().optional().describe(`Whether weights are scaled at run time (equalised learning rate). Default: ${N.useWscale}.`),
  usePixelnorm: z
    .boolean()
    .optional()
    .describe(`Whether the generator normalises each pixel's feature vector. Default: ${N.usePixelnorm}.`),
  pixelnormEpsilon: positiveDecimal
    .optional()
    .describe(`Term that keeps that normalisation from dividing by 0. Default: "${N.pixelnormEpsilon}".`),
  useLeakyRelu: z
    .boolean()
    .optional()
    .describe(`Whether the generator uses leaky ReLU (slope 0.2) instead of ReLU. Default: ${N.useLeakyRelu}.`),
  mbstdGroupSize: integer(0, 1024)
    .optional()
    .describe(
      `Images per group of the minibatch standard deviation; 0 switches that layer off. Default: the preset's, else ${N.mbstdGroupSize}.`,
    ),
  fusedScale: z.boolean().optional().describe(`Whether scaling and convolution are one operation. Default: ${N.fusedScale}.`),
});

export const initFrom = z
  .strictObject({
    trainingRef: reference('PGGANTraining whose newest checkpoint is taken').optional().describe('A training in the same namespace.'),
    checkpoint: z
      .strictObject({ uri: uri.describe('URI of a checkpoint folder.') })
      .optional()
      .describe('A checkpoint in a store.'),
    startKimg: integer(0, 1_000_000)
      .optional()
      .describe("Thousands of images at which this run takes up the schedule. Default: the start of the source checkpoint's phase."),
  })
  .meta(rules({ rule: 'has(self.trainingRef) != has(self.checkpoint)', message: 'exactly one of trainingRef and checkpoint must be set' }));

export const phase = z
  .strictObject({
    resolution: resolution.describe('Width and height in pixels of the phase.'),
    minibatch: minibatch.optional().describe('Images per step; neither rounded nor capped.'),
    microbatch: minibatch
      .optional()
      .describe(
        'Images per forward and backward pass, where a minibatch does not fit into memory: gradients are added up over minibatch / microbatch passes. ' +
          'Must divide the minibatch into whole groups of network.mbstdGroupSize images. May be changed later; only the last bits of the weights depend on it. Default: the whole minibatch.',
      ),
    ...learningRates,
    template: podTemplate
      .optional()
      .describe('What differs in the pods of this phase. A field set here replaces that of spec.template whole; only env merges, by name.'),
  })
  .meta(
    rules({
      rule: '!has(self.minibatch) || !has(self.microbatch) || self.minibatch % self.microbatch == 0',
      message: 'microbatch must divide minibatch',
      fieldPath: '.microbatch',
    }),
  );

export const metrics = z.strictObject({
  names: z
    .array(z.enum(METRIC_NAMES))
    .min(1)
    .max(METRIC_NAMES.length)
    .meta(
      atomicList(
        'Metrics: swd (sliced Wasserstein distance), msssim (MS-SSIM), both on grey images as RGB as the paper has them; swd1, msssim1 on grey images as they are; moments (mean and spread of the pixels).',
      ),
    ),
  images: integer(2, 100_000)
    .default(2048)
    .describe('Images per set; no more than the dataset has. Figures compare only where as many images were measured.'),
  everyTicks: integer(1, 10_000)
    .default(10)
    .describe('Ticks from one measurement to the next. The last tick of the run is always measured.'),
});

export const checkpoints = z.strictObject({
  everyKimg: integer(1, 100_000).default(40).describe('Thousands of images after which a checkpoint is saved.'),
  everySeconds: integer(10, 86_400).default(1800).describe('Seconds after which a checkpoint is saved, if everyKimg has not come first.'),
  keepLast: integer(1, 100).default(3).describe('Checkpoints to keep besides the one at the end of each phase.'),
  keepBest: z
    .strictObject({
      metric: z.string().min(1).max(63).describe('Name of a metric, as checkpoint.json has it; the lowest values are the best.'),
      count: integer(1, 100).default(1).describe('How many to keep.'),
    })
    .optional()
    .describe('Checkpoints to keep also, because a metric was lowest there. Default: none.'),
});
