/** Status of a PGGANTraining: what the operator and the local driver have seen, never what they wish. */
import { z } from 'zod';
import { type DeepReadonly, atomicList, conditions, integer, mapList, observedGeneration, resolution, text, timestamp } from './common.ts';
import { count, images, taskRecord, taskRecordFields } from './task-record.ts';

const losses = z.strictObject({
  generator: z.number().describe('Loss of the generator, mean over the last tick.'),
  discriminator: z.number().describe('Loss of the discriminator, mean over the last tick.'),
  realScores: z.number().optional().describe("The discriminator's score of real images, mean over the last tick."),
  fakeScores: z.number().optional().describe("The discriminator's score of generated images, mean over the last tick."),
  mixedScores: z.number().optional().describe("The discriminator's score of mixed images, mean over the last tick."),
  gradientNorm: z.number().optional().describe('Norm of the gradient at mixed images, mean over the last tick; the penalty pulls it to 1.'),
});

const checkpoint = z.strictObject({
  uri: text(1024).describe('URI of the checkpoint folder.'),
  images: images.describe('Real images shown when it was saved.'),
  digest: text(64).describe('SHA-256 of its checkpoint.json, in hex, which names every file with its own.'),
  time: timestamp.describe('When it was saved.'),
  bytes: integer(0, Number.MAX_SAFE_INTEGER).optional().describe('Size of all its files.'),
});

const progress = z.strictObject({
  resolution: resolution.describe('Resolution in training, in pixels.'),
  images: images.describe('Real images shown since the beginning of the run.'),
  kimg: z.number().describe('The same in thousands.'),
  lod: z.number().describe('Level of detail: 0 at full resolution, 1 more per halving, fractional while a resolution fades in.'),
  losses: losses.optional().describe('Means over the last tick; absent before the first.'),
  secondsPerKimg: z.number().optional().describe('Seconds per thousand images.'),
  imagesPerSecond: z.number().optional().describe('Images per second.'),
  time: timestamp.describe('When the trainer said so.'),
});

const wait = z.strictObject({
  job: text(64).describe('UID of the Job that waits, or waited.'),
  queuedAt: timestamp.describe('When it began to wait: when it was created, or stopped by its queue.'),
  admittedAt: timestamp.optional().describe('When its queue let it go on; soon after its creation where it has none.'),
  startedAt: timestamp.optional().describe('When its pod started after that.'),
  seconds: count.optional().describe('From queuedAt to startedAt.'),
});

const phase = z.strictObject({
  resolution: resolution.describe('Width and height in pixels of the phase.'),
  ...taskRecordFields,
  startImages: images.describe('Real images shown before its first step.'),
  endImages: images.describe('Real images shown after its last step.'),
  attempts: count.optional().describe('Processes that were started to train on it, at best effort.'),
  earlierAttempts: count.optional().describe('Of these, processes of Jobs before the newest one.'),
  processStartedAt: timestamp.optional().describe('When the newest of these processes started.'),
  wait: wait.optional().describe('The wait of its newest Job for its pod, since it was last stopped.'),
  losses: losses.optional().describe('Losses at its end.'),
  checkpoint: checkpoint.optional().describe('The checkpoint at its end.'),
});

export const trainingStatus = z.strictObject({
  observedGeneration,
  conditions: conditions.optional(),
  progress: progress.optional().describe('What the trainer of the current phase says, seconds to minutes old.'),
  resolution: resolution.optional().describe('Resolution in training, in pixels.'),
  totalKimg: integer(1, 1_000_000).optional().describe('Thousands of images that the run is to show, as last accepted.'),
  progressPercent: integer(0, 100).optional().describe('Images shown, in per cent of totalKimg.'),
  estimatedCompletionTime: timestamp.optional().describe('When the run will be complete at its present pace, in whole minutes.'),
  preflight: taskRecord.optional().describe('The check of store, dataset and run folder that comes before the first phase.'),
  datasetBytes: z
    .record(z.string(), integer(0, Number.MAX_SAFE_INTEGER).describe('Bytes of the dataset file of a resolution.'))
    .optional()
    .meta({ description: "Size of the dataset's file per resolution, as the preflight found it.", maxProperties: 9 }),
  phases: z.array(phase).max(9).optional().meta(mapList('The phases of the run, by resolution.', 'resolution')),
  checkpoint: checkpoint.optional().describe('The newest checkpoint.'),
  checkpointSeconds: z
    .number()
    .optional()
    .describe('Seconds that saving a checkpoint took last; the termination grace of the next Job covers it.'),
  fingerprint: text(64).optional().describe('SHA-256 of everything that decides the trained weights.'),
  image: text(512).optional().describe('Image of the trainer, fixed when the training was accepted.'),
  initFromUri: text(1024).optional().describe('Run folder of the training that spec.initFrom names, fixed when this one began.'),
  failures: count.optional().describe('Pods that failed, over the whole run.'),
  resumes: count.optional().describe('Processes that went on from a checkpoint.'),
  disruptions: count
    .optional()
    .describe('Pods that were evicted, preempted, lost with their node or otherwise stopped unasked, each counted once, at best effort.'),
  outOfMemory: count.optional().describe('Pods that were killed for want of memory, each counted once, at best effort.'),
  countedPods: z
    .array(text(64))
    .max(32)
    .optional()
    .meta(atomicList('UIDs of pods that disruptions and outOfMemory have counted, or were right to leave out; the newest first.')),
  lastHandledRetry: text(256).optional().describe('The value of the annotation pggan.dev/retry that was acted on last.'),
});

export type PGGANTrainingStatus = DeepReadonly<z.infer<typeof trainingStatus>>;
