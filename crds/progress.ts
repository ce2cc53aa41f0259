/** The progress document: what a trainer process tells, at /progress and as its container's termination message. */
import { z } from 'zod';

export const PROGRESS_VERSION = 'v1';
/** Size limits of the document: as served, and as a termination message (a kubelet cuts those). */
export const MAX_PROGRESS_BYTES = 16 * 1024;
export const MAX_TERMINATION_BYTES = 4096;

const number = z.number();
const time = z.iso.datetime();

const checkpointRef = z.object({ uri: z.string().max(1024), images: number, digest: z.string().max(64), time });
/** `bytes`: of all its files. */
const savedCheckpoint = checkpointRef.extend({ bytes: number.optional() });

/** Means over the last tick; absent before the first one. */
const losses = z.object({
  generator: number,
  discriminator: number,
  realScores: number,
  fakeScores: number,
  mixedScores: number,
  gradientNorm: number,
});

const failure = z.object({ code: z.string().max(64), message: z.string().max(1024) });

const training = z.object({
  version: z.literal(PROGRESS_VERSION),
  kind: z.literal('training'),
  state: z.enum(['Starting', 'Training', 'FadingIn', 'Checkpointing', 'Complete', 'Stopped', 'Failed']),
  resolution: number,
  /** Real images shown since the beginning of the run. */
  images: number,
  /** Where the phase of this process ends, in images. */
  phaseEndImages: number,
  lod: number,
  tick: number,
  minibatch: number,
  /** Passes over the dataset: images shown / images in the dataset. */
  epochs: number,
  losses: losses.optional(),
  /** Metrics of the averaged generator as last measured, by the names of their columns, and after how many images that was. */
  metrics: z.object({ images: number, values: z.record(z.string().max(64), number) }).optional(),
  secondsPerKimg: number.optional(),
  imagesPerSecond: number.optional(),
  checkpoint: savedCheckpoint.optional(),
  /** How long the last save took, from the copy of the variables to the commit; of one that had to wait for its store nothing is told. */
  checkpointSeconds: number.optional(),
  /** The checkpoint this process started from; absent when it started from nothing. */
  resumedFrom: checkpointRef.optional(),
  /** How many processes have trained on this run, this one included (kept in the run folder). */
  attempt: number,
  /** The newest picture of this run, as a key inside the run folder. */
  picture: z.string().max(256).optional(),
  /** What was odd but not fatal: a skipped checkpoint, a slow backend. */
  warnings: z.array(z.string().max(512)).max(8).optional(),
  /** What keeps training from going on, such as a store without room, and since when; it goes on by itself. */
  waiting: z.object({ code: z.string().max(64), message: z.string().max(1024), since: time }).optional(),
  failure: failure.optional(),
  time,
});

const preflight = z.object({
  version: z.literal(PROGRESS_VERSION),
  kind: z.literal('preflight'),
  state: z.enum(['Starting', 'Complete', 'Stopped', 'Failed']),
  fingerprint: z.string().max(64).optional(),
  /** Fields in which an existing run differs; empty or absent when it matches or there is none. */
  differences: z.array(z.string().max(256)).max(32).optional(),
  /** Images of the newest good checkpoint; 0 for a new run. */
  images: number,
  /** That checkpoint; absent for a new run. */
  checkpoint: checkpointRef.optional(),
  /** True when the newest checkpoint is at or past totalKimg. */
  complete: z.boolean(),
  /** Size of the dataset file per resolution, to size a pod's scratch space. */
  datasetBytes: z.record(z.string(), number).optional(),
  datasetImages: number.optional(),
  failure: failure.optional(),
  time,
});

const synthesis = z.object({
  version: z.literal(PROGRESS_VERSION),
  kind: z.literal('synthesis'),
  state: z.enum(['Starting', 'Synthesizing', 'Complete', 'Stopped', 'Failed']),
  /** Images of this process: written, and wanted. */
  done: number,
  wanted: number,
  imagesPerSecond: number.optional(),
  checkpoint: z.object({ uri: z.string().max(1024), digest: z.string().max(64), images: number }).optional(),
  manifest: z.object({ uri: z.string().max(1024), digest: z.string().max(64) }).optional(),
  failure: failure.optional(),
  time,
});

const progressDocument = z.discriminatedUnion('kind', [training, preflight, synthesis]);
export type Progress = Readonly<z.infer<typeof progressDocument>>;
export type TrainingProgress = Extract<Progress, { kind: 'training' }>;
export type PreflightProgress = Extract<Progress, { kind: 'preflight' }>;
export type SynthesisProgress = Extract<Progress, { kind: 'synthesis' }>;
export type Waiting = NonNullable<TrainingProgress['waiting']>;
export type Losses = NonNullable<TrainingProgress['losses']>;
export type CheckpointRef = z.infer<typeof checkpointRef>;
export type SavedCheckpoint = NonNullable<TrainingProgress['checkpoint']>;

/** Reads a progress document from an untrusted process; undefined when it is torn, too large or of another version. */
export function parseProgress(text: string): Progress | undefined {
  if (text.length > MAX_PROGRESS_BYTES) return undefined;
  try {
    return progressDocument.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
