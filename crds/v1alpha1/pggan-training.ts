/** PGGANTraining: one progressively grown GAN, from a dataset to a finished run folder. */
import { z } from 'zod';
import { AVERAGING_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS } from '../run.ts';
import { BASE, PRESET_NAMES } from '../presets.ts';
import {
  type API_VERSION,
  type DeepReadonly,
  type Kind,
  NAME_RULES,
  type ObjectMeta,
  type Rule,
  decimal,
  immutable,
  integer,
  mapList,
  positiveDecimal,
  reference,
  resolution,
  rules,
  store,
  text,
  uri,
} from './common.ts';
import { podTemplate } from './pod-template.ts';
import { trainingStatus } from './pggan-training-status.ts';

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

const schedule = z.strictObject({
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
const network = z.strictObject({
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

const initFrom = z
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

const phase = z.strictObject({
  resolution: resolution.describe('Width and height in pixels of the phase.'),
  minibatch: minibatch.optional().describe('Images per step; neither rounded nor capped.'),
  ...learningRates,
  template: podTemplate
    .optional()
    .describe('What differs in the pods of this phase. A field set here replaces that of spec.template whole; only env merges, by name.'),
});

const checkpoints = z.strictObject({
  everyKimg: integer(1, 100_000).default(40).describe('Thousands of images after which a checkpoint is saved.'),
  everySeconds: integer(10, 86_400).default(1800).describe('Seconds after which a checkpoint is saved, if everyKimg has not come first.'),
  keepLast: integer(1, 100).default(3).describe('Checkpoints to keep besides the one at the end of each phase.'),
});

/** Images per step and learning rates of single phases are part of what is trained; their pod templates are not. */
const phaseImmutable = (field: string): Rule => {
  const within = (a: string, b: string): string =>
    `(!has(${a}.phases) || ${a}.phases.all(p, !has(p.${field}) || (has(${b}.phases) && ` +
    `${b}.phases.exists(o, o.resolution == p.resolution && has(o.${field}) && o.${field} == p.${field}))))`;
  return {
    rule: `${within('self', 'oldSelf')} && ${within('oldSelf', 'self')}`,
    message: `phases[].${field} cannot be changed, added or removed later: it decides what is trained`,
    fieldPath: '.phases',
    reason: 'FieldValueForbidden',
  };
};

const IMMUTABLE = [
  'dataset',
  'output',
  'resolution',
  'preset',
  'precision',
  'schedule',
  'network',
  'optimizer',
  'averaging',
  'mirrorAugment',
  'seed',
  'initFrom',
] as const;

const specRules: readonly Rule[] = [
  ...IMMUTABLE.map(immutable),
  phaseImmutable('minibatch'),
  phaseImmutable('generatorLearningRate'),
  phaseImmutable('discriminatorLearningRate'),
  {
    rule: 'self.totalKimg >= oldSelf.totalKimg',
    message: 'totalKimg may be raised (the run trains on), never lowered',
    fieldPath: '.totalKimg',
    reason: 'FieldValueForbidden',
  },
  {
    rule:
      "has(self.store) || !(self.dataset.uri.startsWith('s3://') || self.output.uri.startsWith('s3://') || " +
      "(has(self.initFrom) && has(self.initFrom.checkpoint) && self.initFrom.checkpoint.uri.startsWith('s3://')))",
    message: 'store must be set: it says how the s3:// URIs of this training are reached',
    reason: 'FieldValueRequired',
  },
  {
    rule: '!has(self.schedule) || !has(self.schedule.initialResolution) || self.schedule.initialResolution <= self.resolution',
    message: 'schedule.initialResolution must not be larger than resolution',
    fieldPath: '.schedule.initialResolution',
  },
  {
    rule: '!has(self.phases) || self.phases.all(p, p.resolution <= self.resolution)',
    message: 'phases must not name a resolution larger than spec.resolution',
    fieldPath: '.phases',
  },
];

export const trainingSpec = z
  .strictObject({
    dataset: z
      .strictObject({ uri: uri.describe('Folder with one TFRecord file per resolution: s3://bucket/prefix or pvc://claim/path.') })
      .describe('The radiographs to learn from.'),
    output: z
      .strictObject({
        uri: uri.describe('Folder in which the run folder <namespace>/<name> is made: s3://bucket/prefix or pvc://claim/path.'),
      })
      .describe('Where the run is kept.'),
    store: store.optional(),
    resolution: resolution.describe('Width and height in pixels of the finished images.'),
    preset: z
      .enum(PRESET_NAMES)
      .optional()
      .describe('A configuration of the paper, frozen by name; spec.schedule and spec.phases override its parts.'),
    precision: z
      .enum(['Float32', 'BFloat16Mixed'])
      .default('Float32')
      .describe('Float32, or BFloat16Mixed: convolutions in bfloat16, weights, optimiser and losses in float32.'),
    totalKimg: integer(1, 1_000_000).describe('Thousands of real images shown over the whole run. May be raised later, never lowered.'),
    schedule: schedule.optional().describe('How the run grows. Each field overrides that of the preset.'),
    network: network.optional().describe("Shape and switches of generator and discriminator, with the paper's meaning."),
    optimizer: z
      .strictObject({
        resetForNewLod: z
          .boolean()
          .optional()
          .describe(`Whether Adam starts afresh at both ends of every fade. Default: ${OPTIMIZER_DEFAULTS.resetForNewLod}.`),
      })
      .optional()
      .describe('Switches of the optimiser.'),
    averaging: z
      .strictObject({
        decay: decimal
          .meta(rules({ rule: 'double(self) < 1.0', message: 'must be less than 1' }))
          .optional()
          .describe(`Share of the averaged generator that a step keeps. Default: "${AVERAGING_DEFAULTS.decay}"; "0": no averaging.`),
      })
      .optional()
      .describe('The averaged generator, which draws all pictures.'),
    mirrorAugment: z
      .boolean()
      .default(false)
      .describe('Whether half of the images are shown mirrored. It moves the heart to the other side.'),
    seed: integer(0, 4_294_967_295).default(1000).describe('Seed of all random numbers: the same seed trains the same weights.'),
    threads: integer(1, 256)
      .default(4)
      .describe("Threads of one operation on a CPU. Other counts round differently, so it is fixed rather than the machine's."),
    initFrom: initFrom.optional().describe('Weights to start from, with a fresh optimiser. Absent: random ones.'),
    template: podTemplate.optional().describe('What the pods of all phases ask of the cluster.'),
    phases: z.array(phase).max(9).optional().meta(mapList('Overrides for single resolutions.', 'resolution')),
    checkpoints: checkpoints.prefault({}).describe('When checkpoints are saved and how many are kept. They never alter the weights.'),
    queue: z
      .strictObject({
        name: text(63, 1).describe('LocalQueue in the same namespace.'),
        priorityClass: text(63, 1).optional().describe('WorkloadPriorityClass of the Jobs.'),
      })
      .optional()
      .describe('Kueue: every Job of the training waits in this queue.'),
    suspend: z
      .boolean()
      .default(false)
      .describe('Whether the training is to stand still: a running phase saves a checkpoint and gives its GPU back.'),
    maxRestarts: integer(0, 1000).default(10).describe('Failures since the last completed phase after which a person must look.'),
    progressDeadlineSeconds: integer(30, 604_800)
      .default(3600)
      .describe('Seconds without a finished step after which a trainer counts as hanging.'),
    ttlSecondsAfterFinished: integer(0, 31_536_000)
      .default(86_400)
      .describe('Seconds for which finished Jobs and their pods are kept, so that their logs can be read. Never the training itself.'),
    deletionPolicy: z
      .enum(['Retain', 'DeleteRun'])
      .default('Retain')
      .describe('What happens to the run folder when the training is deleted: Retain keeps it, DeleteRun deletes it.'),
  })
  .meta({ description: 'What is to be trained, from what, and where.', ...rules(...specRules) });

export type PGGANTrainingSpec = DeepReadonly<z.infer<typeof trainingSpec>>;
export type PGGANTrainingStatus = DeepReadonly<z.infer<typeof trainingStatus>>;
export type PGGANTraining = {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: 'PGGANTraining';
  readonly metadata: ObjectMeta;
  readonly spec: PGGANTrainingSpec;
  readonly status?: PGGANTrainingStatus;
};

const condition = (type: string, part: 'status' | 'reason'): string => `.status.conditions[?(@.type=="${type}")].${part}`;

export const PGGAN_TRAINING: Kind = {
  kind: 'PGGANTraining',
  plural: 'pggantrainings',
  singular: 'pggantraining',
  shortNames: ['pgt'],
  description: 'PGGANTraining grows a GAN on images, resolution by resolution, one Job each.',
  spec: trainingSpec,
  status: trainingStatus,
  rules: NAME_RULES,
  columns: [
    { name: 'Resolution', type: 'integer', jsonPath: '.status.resolution', description: 'Resolution in training, in pixels.' },
    { name: 'Kimg', type: 'number', jsonPath: '.status.progress.kimg', description: 'Thousands of images shown.' },
    { name: 'Progress', type: 'integer', jsonPath: '.status.progressPercent', description: 'Per cent of totalKimg.' },
    { name: 'Ready', type: 'string', jsonPath: condition('Ready', 'status'), description: 'Whether nothing needs a person.' },
    { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason'), description: 'Where it stands.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
    {
      name: 'Completion',
      type: 'string',
      jsonPath: '.status.estimatedCompletionTime',
      description: 'Estimated time of completion.',
      priority: 1,
    },
    { name: 'G-Loss', type: 'number', jsonPath: '.status.progress.losses.generator', description: 'Loss of the generator.', priority: 1 },
    {
      name: 'D-Loss',
      type: 'number',
      jsonPath: '.status.progress.losses.discriminator',
      description: 'Loss of the discriminator.',
      priority: 1,
    },
    {
      name: 'Checkpoint',
      type: 'integer',
      jsonPath: '.status.checkpoint.images',
      description: 'Images shown at the newest checkpoint.',
      priority: 1,
    },
    {
      name: 'GPU',
      type: 'string',
      jsonPath: '.spec.template.resources.limits.nvidia\\.com/gpu',
      description: 'GPUs of a phase.',
      priority: 1,
    },
  ],
  selectableFields: ['.spec.resolution', '.spec.suspend', '.spec.dataset.uri'],
};
