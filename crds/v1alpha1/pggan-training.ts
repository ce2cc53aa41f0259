/** PGGANTraining: one progressively grown GAN, from a dataset to a finished run folder. */
import { z } from 'zod';
import { AVERAGING_DEFAULTS, OPTIMIZER_DEFAULTS } from '../run.ts';
import { PRESET_NAMES } from '../presets.ts';
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
  managedBy,
  managedByRule,
  mapList,
  queue,
  resolution,
  rules,
  store,
  uri,
} from './common.ts';
import { podTemplate } from './pod-template.ts';
import { trainingStatus } from './pggan-training-status.ts';
import { checkpoints, initFrom, metrics, network, phase, schedule } from './training-options.ts';

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
  managedByRule,
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

const trainingSpec = z
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
      .describe(
        'Float32, or BFloat16Mixed: convolutions in bfloat16, weights, optimiser and losses in float32. Worth it where the processor has bfloat16; a GPU needs to be Ampere or newer, and none was tried.',
      ),
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
    metrics: metrics
      .optional()
      .describe(
        'What is measured of the averaged generator while it trains at full resolution. A checkpoint is saved with each measurement. It never alters the weights. Absent: nothing.',
      ),
    checkpoints: checkpoints.prefault({}).describe('When checkpoints are saved and how many are kept. They never alter the weights.'),
    queue: queue('the Jobs').describe('Kueue: every Job of the training waits in this queue.'),
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
      .describe(
        'What happens to the run folder when the training is deleted: Retain keeps it; DeleteRun has a pod delete it, for which the training stays until it is done (setting Retain lets it go).',
      ),
    managedBy,
  })
  .meta({ description: 'What is to be trained, from what, and where.', ...rules(...specRules) });

export type PGGANTrainingSpec = DeepReadonly<z.infer<typeof trainingSpec>>;
type PGGANTrainingStatus = DeepReadonly<z.infer<typeof trainingStatus>>;
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
  rules: [
    ...NAME_RULES,
    {
      rule: '!has(self.spec.initFrom) || !has(self.spec.initFrom.trainingRef) || self.spec.initFrom.trainingRef.name != self.metadata.name',
      message: 'a training cannot start from itself: it would wait for ever',
      fieldPath: '.spec.initFrom.trainingRef.name',
    },
  ],
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
