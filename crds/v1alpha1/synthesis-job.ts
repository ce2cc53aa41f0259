/** SynthesisJob: images drawn by a trained generator. */
import { z } from 'zod';
import {
  type API_VERSION,
  type DeepReadonly,
  type Kind,
  NAME_RULES,
  type ObjectMeta,
  conditions,
  decimal,
  immutable,
  integer,
  managedBy,
  managedByRule,
  observedGeneration,
  queue,
  reference,
  resolution,
  rules,
  store,
  text,
  timestamp,
  uri,
} from './common.ts';
import { count, taskRecord } from './task-record.ts';
import { podTemplate } from './pod-template.ts';

const synthesisSpec = z
  .strictObject({
    trainingRef: reference('PGGANTraining whose generator draws')
      .optional()
      .describe('The training whose newest checkpoint is used. Exactly one of trainingRef and checkpoint must be set.'),
    checkpoint: z
      .strictObject({ uri: uri.describe('URI of a checkpoint folder, or of a run folder (its newest checkpoint).') })
      .optional()
      .describe('The checkpoint to use. Exactly one of trainingRef and checkpoint must be set.'),
    waitForTraining: z
      .boolean()
      .default(true)
      .describe(
        'Whether to wait until the training has succeeded; false: its newest checkpoint is used at once. Without meaning for a checkpoint.',
      ),
    count: integer(1, 10_000_000).describe('Images wanted, over all shards.'),
    seed: integer(0, 4_294_967_295)
      .default(1000)
      .describe('Seed of the latent vectors: the same seed and checkpoint draw the same images.'),
    latents: z
      .enum(['RandomState', 'Philox'])
      .default('RandomState')
      .describe(
        "How the seed becomes latent vectors. RandomState: as numpy.random.RandomState(seed).randn, which the original's scripts draw; every shard draws the whole stream up to its images. Philox: each image has numbers of its own.",
      ),
    label: integer(0, 65_535)
      .optional()
      .describe('Class of all images, counted from 0, for a network that was trained with labels. Default: its classes in turn.'),
    truncation: decimal
      .meta(rules({ rule: 'double(self) >= 0.01 && double(self) <= 4.0', message: 'must be between 0.01 and 4' }))
      .optional()
      .describe(
        'Components of a latent vector beyond this many standard deviations are drawn again (the truncation trick of Brock et al. 2018): less variety, fewer failures. A number from 0.01 to 4, as a string. Default: none is drawn again.',
      ),
    resolution: resolution
      .optional()
      .describe(
        "Width and height of the images, at most the network's: averaged down over 2x2 boxes, as the original's image_shrink does. Default: the network's.",
      ),
    shards: integer(1, 100).default(1).describe('Pods that share the work; the images do not depend on it.'),
    output: z
      .strictObject({ uri: uri.describe('Folder in which the folder <namespace>/<name> is made: s3://bucket/prefix or pvc://claim/path.') })
      .describe('Where the images go.'),
    format: z
      .enum(['PNG', 'TFRecord'])
      .default('PNG')
      .describe(
        "How the images are kept. PNG: one file each. TFRecord: one dataset folder per shard, in the original's layout, which trainings and TensorFlow read; a pod then needs scratch space for its shard's.",
      ),
    minibatch: integer(1, 1024).default(8).describe('Images drawn at a time.'),
    threads: integer(1, 256).default(4).describe('Threads of one operation on a CPU. Other counts round differently.'),
    store: store.optional().describe("How s3:// URIs are reached. Default: the training's."),
    template: podTemplate.optional().describe('What the pods ask of the cluster.'),
    queue: queue('the Job').describe('Kueue: the Job waits in this queue.'),
    suspend: z.boolean().default(false).describe('Whether the work is to stand still.'),
    maxRestarts: integer(0, 1000).default(10).describe('Failures of one shard after which a person must look.'),
    ttlSecondsAfterFinished: integer(0, 31_536_000)
      .default(86_400)
      .describe('Seconds for which the finished Job and its pods are kept, so that their logs can be read. Never the SynthesisJob itself.'),
    managedBy,
  })
  .meta({
    description: 'What is to be drawn, by which generator, and where to.',
    ...rules(
      { rule: 'has(self.trainingRef) != has(self.checkpoint)', message: 'exactly one of trainingRef and checkpoint must be set' },
      {
        rule: 'self.shards <= self.count',
        message: 'shards must not be more than count: some would have nothing to do',
        fieldPath: '.shards',
      },
      {
        rule: "has(self.store) || has(self.trainingRef) || !(self.output.uri.startsWith('s3://') || (has(self.checkpoint) && self.checkpoint.uri.startsWith('s3://')))",
        message: 'store must be set: it says how the s3:// URIs of this job are reached',
        reason: 'FieldValueRequired',
      },
      ...[
        'trainingRef',
        'checkpoint',
        'waitForTraining',
        'count',
        'seed',
        'latents',
        'label',
        'truncation',
        'resolution',
        'shards',
        'output',
        'format',
        'minibatch',
      ].map((field) => ({
        ...immutable(field),
        message: `${field} cannot be changed, added or removed later: it decides what is drawn; create another SynthesisJob`,
      })),
      managedByRule,
    ),
  });

export const synthesisStatus = z.strictObject({
  observedGeneration,
  conditions: conditions.optional(),
  imagesDone: count.optional().describe('Images written, over all shards.'),
  imagesWanted: count.optional().describe('Images wanted, over all shards.'),
  imagesPerSecond: z.number().optional().describe('Images per second, over all running shards.'),
  progressPercent: integer(0, 100).optional().describe('Images written, in per cent of those wanted.'),
  checkpoint: z
    .strictObject({
      uri: text(1024).describe('URI of the checkpoint folder.'),
      digest: text(64).describe('SHA-256 of its checkpoint.json, in hex, which names every file with its own.'),
      images: integer(0, 1_000_000_000_000).describe('Real images that its generator was trained on.'),
    })
    .optional()
    .describe('The checkpoint in use, fixed when the work began.'),
  manifest: z
    .strictObject({ uri: text(1024).describe('URI of the list.'), digest: text(64).describe('SHA-256 of the list, in hex.') })
    .optional()
    .describe('The list of the images: seed and SHA-256 of each.'),
  task: taskRecord.optional().describe('What is remembered of the work and its Job.'),
  image: text(512).optional().describe('Image of the trainer, fixed when the work began.'),
  failures: count.optional().describe('Pods that failed.'),
  startTime: timestamp.optional().describe('When the first process started.'),
  completionTime: timestamp.optional().describe('When all images were written.'),
  lastHandledRetry: text(256).optional().describe('The value of the annotation pggan.dev/retry that was acted on last.'),
});

export type SynthesisJobSpec = DeepReadonly<z.infer<typeof synthesisSpec>>;
export type SynthesisJobStatus = DeepReadonly<z.infer<typeof synthesisStatus>>;
export type SynthesisJob = {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: 'SynthesisJob';
  readonly metadata: ObjectMeta;
  readonly spec: SynthesisJobSpec;
  readonly status?: SynthesisJobStatus;
};

export const SYNTHESIS_JOB: Kind = {
  kind: 'SynthesisJob',
  plural: 'synthesisjobs',
  singular: 'synthesisjob',
  shortNames: ['synth'],
  description: 'SynthesisJob draws images with a trained generator into a store.',
  spec: synthesisSpec,
  status: synthesisStatus,
  rules: NAME_RULES,
  columns: [
    { name: 'Training', type: 'string', jsonPath: '.spec.trainingRef.name', description: 'The training whose generator draws.' },
    { name: 'Done', type: 'integer', jsonPath: '.status.imagesDone', description: 'Images written.' },
    { name: 'Wanted', type: 'integer', jsonPath: '.spec.count', description: 'Images wanted.' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'Whether nothing needs a person.',
    },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason', description: 'Where it stands.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
    { name: 'Shards', type: 'integer', jsonPath: '.spec.shards', description: 'Pods that share the work.', priority: 1 },
    { name: 'Checkpoint', type: 'string', jsonPath: '.status.checkpoint.uri', description: 'The checkpoint in use.', priority: 1 },
    { name: 'Manifest', type: 'string', jsonPath: '.status.manifest.uri', description: 'The list of the images.', priority: 1 },
  ],
  selectableFields: ['.spec.trainingRef.name', '.spec.suspend'],
};
