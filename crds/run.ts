/** The run document: what a trainer process is told, in the environment variable PGGAN_RUN. Resolved: no default is left to fill in. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PgganError } from './errors.ts';

/** Version of the run document. A trainer accepts its own major version only. */
export const RUN_VERSION = 'v1';
const MAX_BYTES = 64 * 1024;

const uri = z.string().regex(/^(file|s3|pvc):\/\/.+/, 'must be a file://, s3:// or pvc:// URI');
const powerOfTwo = z
  .number()
  .int()
  .min(4)
  .max(1024)
  .refine((n) => Number.isInteger(Math.log2(n)), 'must be a power of two');
const positive = z.number().positive();
const count = z.number().int().nonnegative();

const level = z.strictObject({
  resolution: powerOfTwo,
  minibatch: z.number().int().min(1),
  microbatch: z.number().int().min(1).optional(),
  generatorLearningRate: positive,
  discriminatorLearningRate: positive,
  tickKimg: positive,
});

const schedule = z.strictObject({
  resolution: powerOfTwo,
  initialResolution: powerOfTwo,
  trainKimg: z.number().nonnegative(),
  transitionKimg: z.number().nonnegative(),
  minibatchRepeats: z.number().int().min(1),
  levels: z.array(level).min(1).max(9).readonly(),
});

/** Switches of the networks, with the reference's meaning (Karras et al. 2018, appendix A). */
export const networkOptions = z.strictObject({
  channels: z.union([z.literal(1), z.literal(3)]),
  fmapBase: z.number().int().min(1),
  fmapDecay: z.number().nonnegative(),
  fmapMax: z.number().int().min(1),
  latentSize: z.number().int().min(1),
  normalizeLatents: z.boolean(),
  useWscale: z.boolean(),
  usePixelnorm: z.boolean(),
  pixelnormEpsilon: positive,
  useLeakyRelu: z.boolean(),
  /** Images per minibatch-stddev group; 0 switches the layer off. */
  mbstdGroupSize: count,
  fusedScale: z.boolean(),
});

const loss = z.strictObject({ wganLambda: z.number(), wganEpsilon: z.number(), wganTarget: positive, condWeight: z.number() });
const optimizer = z.strictObject({ beta1: z.number(), beta2: z.number(), epsilon: positive, resetForNewLod: z.boolean() });
const averaging = z.strictObject({ decay: z.number() });

/** Metrics by the names under which options and commands ask for them. */
export const METRIC_NAMES = ['swd', 'swd1', 'msssim', 'msssim1', 'moments'] as const;
export type MetricName = (typeof METRIC_NAMES)[number];

/** What is measured of the averaged generator at ticks of the last phase. No part of the fingerprint: it changes no weight. */
const metrics = z.strictObject({
  names: z.array(z.enum(METRIC_NAMES)).min(1).max(METRIC_NAMES.length).readonly(),
  images: z.number().int().min(2),
  everyTicks: z.number().int().min(1),
});
/** How s3:// is reached. Credentials are never in the document: they are files or environment variables of the pod. */
const store = z.strictObject({ endpoint: z.url(), region: z.string().optional(), pathStyle: z.boolean().optional() });

/**
 * What the process of each phase may use, for a preflight to check: `shared` where phases run in the place of the preflight, one after
 * another; else the memory limits of their pods, as far as they have any and compute on a CPU.
 */
const phaseMemory = z.union([
  z.literal('shared'),
  z
    .array(z.strictObject({ resolution: powerOfTwo, bytes: positive }))
    .max(9)
    .readonly(),
]);

/** What the process was promised to compute on, and must not do without; absent: whatever there is. */
const device = z.enum(['gpu']).optional();

const training = z.strictObject({
  version: z.literal(RUN_VERSION),
  kind: z.literal('training'),
  /** Who owns the run folder. */
  owner: z.strictObject({ cluster: z.string(), namespace: z.string(), name: z.string(), uid: z.string() }),
  /**
   * preflight checks and claims only; train goes on from the newest checkpoint to the end of the phase of `resolution`; deleteRun removes the
   * run folder, if it is this owner's.
   */
  task: z.union([
    z.strictObject({ kind: z.literal('preflight'), phaseMemory: phaseMemory.optional() }),
    z.strictObject({ kind: z.literal('deleteRun') }),
    z.strictObject({ kind: z.literal('train'), resolution: powerOfTwo }),
  ]),
  dataset: z.strictObject({ uri }),
  /** The run folder itself. */
  run: z.strictObject({ uri }),
  store: store.optional(),
  totalKimg: positive,
  schedule,
  network: networkOptions,
  loss,
  optimizer,
  averaging,
  precision: z.enum(['Float32', 'BFloat16Mixed']),
  mirrorAugment: z.boolean(),
  seed: count,
  /** Threads of one TensorFlow op; part of exact resume on a CPU. */
  threads: z.number().int().min(1).max(256),
  device,
  initFrom: z.strictObject({ uri, startKimg: z.number().nonnegative().optional() }).optional(),
  metrics: metrics.optional(),
  checkpoints: z.strictObject({
    everyKimg: positive,
    everySeconds: positive,
    keepLast: z.number().int().min(1),
    keepBest: z.strictObject({ metric: z.string(), count: z.number().int().min(1) }).optional(),
  }),
  progressDeadlineSeconds: z.number().int().min(1),
  /** Port of /progress, /metrics and /healthz; 0: any free one on 127.0.0.1, reported in the first line of stdout. */
  port: z.number().int().min(0).max(65535),
});

const synthesis = z.strictObject({
  version: z.literal(RUN_VERSION),
  kind: z.literal('synthesis'),
  owner: training.shape.owner,
  /** A checkpoint folder, or a run folder (its newest checkpoint is used). */
  checkpoint: z.strictObject({ uri }),
  /** The folder that receives the images and the manifest. */
  output: z.strictObject({ uri }),
  store: store.optional(),
  /** Images wanted over all shards, and this process's share: indexes i with i mod shards == shard. */
  count: z.number().int().min(1),
  shards: z.number().int().min(1),
  shard: count,
  seed: count,
  /** How the seed becomes latent vectors; absent in documents of operators that knew one way only (Philox). */
  latents: z.enum(['RandomState', 'Philox']).optional(),
  /** Class of all images; absent: the classes in turn. */
  label: count.optional(),
  /** Components of latent vectors beyond this magnitude are drawn again; absent: none is. */
  truncation: positive.optional(),
  /** Side of the images in pixels; absent: what the network draws. */
  resolution: powerOfTwo.optional(),
  /** How images are kept; absent: PNG, which is all that earlier operators knew. */
  format: z.enum(['PNG', 'TFRecord']).optional(),
  minibatch: z.number().int().min(1),
  threads: training.shape.threads,
  device,
  port: training.shape.port,
});

export const runDocument = z.discriminatedUnion('kind', [training, synthesis]);

export type TrainingRun = Readonly<z.infer<typeof training>>;
export type SynthesisRun = Readonly<z.infer<typeof synthesis>>;
export type RunDocument = TrainingRun | SynthesisRun;
export type NetworkOptions = Readonly<z.infer<typeof networkOptions>>;
export type LossOptions = Readonly<z.infer<typeof loss>>;
export type OptimizerOptions = Readonly<z.infer<typeof optimizer>>;
export type StoreOptions = Readonly<z.infer<typeof store>>;
export type Precision = TrainingRun['precision'];

/** The reference's defaults (Karras et al. 2018, section A; reference networks and loss). */
export const NETWORK_DEFAULTS: NetworkOptions = {
  channels: 1,
  fmapBase: 8192,
  fmapDecay: 1,
  fmapMax: 512,
  latentSize: 512,
  normalizeLatents: true,
  useWscale: true,
  usePixelnorm: true,
  pixelnormEpsilon: 1e-8,
  useLeakyRelu: true,
  mbstdGroupSize: 4,
  fusedScale: true,
};
export const LOSS_DEFAULTS: LossOptions = { wganLambda: 10, wganEpsilon: 0.001, wganTarget: 1, condWeight: 1 };
export const OPTIMIZER_DEFAULTS: OptimizerOptions = { beta1: 0, beta2: 0.99, epsilon: 1e-8, resetForNewLod: true };
export const AVERAGING_DEFAULTS = { decay: 0.999 } as const;

/**
 * Parses the text of PGGAN_RUN. `shard` is the text of PGGAN_SHARD where that is set: the pods of a synthesis share one document, and each is
 * told its shard beside it. @throws {PgganError} RunDocumentInvalid, naming every field that is wrong.
 */
export function parseRunDocument(text: string | undefined, shard?: string): RunDocument {
  if (!text)
    throw new PgganError('RunDocumentInvalid', 'PGGAN_RUN is not set: this command is started by the operator or by `pggan start`');
  if (Buffer.byteLength(text) > MAX_BYTES) throw new PgganError('RunDocumentInvalid', `PGGAN_RUN is larger than ${MAX_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PgganError('RunDocumentInvalid', 'PGGAN_RUN is not JSON', { cause });
  }
  const parsed = runDocument.safeParse(value);
  if (parsed.success) return parsed.data.kind === 'synthesis' ? ofShard(parsed.data, shard) : parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
  throw new PgganError('RunDocumentInvalid', `PGGAN_RUN is not a ${RUN_VERSION} run document: ${problems.join('; ')}`, {
    cause: parsed.error,
  });
}

function ofShard(run: SynthesisRun, text: string | undefined): SynthesisRun {
  const shard = text === undefined ? run.shard : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (shard < run.shards) return { ...run, shard };
  const found = text === undefined ? `shard is ${run.shard}` : `PGGAN_SHARD is "${text}"`;
  throw new PgganError('RunDocumentInvalid', `${found}: it must be a whole number below shards, which is ${run.shards}`);
}

/** Everything that decides the trained weights, as a plain object; two runs with equal parts may share a run folder. */
export function fingerprintParts(
  run: TrainingRun,
  datasetDigest: string,
  initFromDigest: string | null,
): Readonly<Record<string, unknown>> {
  const { network, loss, optimizer, averaging, precision, seed, mirrorAugment } = run;
  // The same sums in another order: what fits into memory is found out in the middle of a run.
  const schedule = { ...run.schedule, levels: run.schedule.levels.map(({ microbatch: _microbatch, ...level }) => level) };
  const { startKimg } = run.initFrom ?? {};
  const initFrom = initFromDigest === null ? null : { digest: initFromDigest, startKimg: startKimg ?? null };
  return { format: 1, dataset: datasetDigest, schedule, network, loss, optimizer, averaging, precision, seed, mirrorAugment, initFrom };
}

/** SHA-256 of the canonical JSON (keys sorted) of `parts`, in hex. */
export function fingerprint(parts: Readonly<Record<string, unknown>>): string {
  return createHash('sha256').update(canonicalJson(parts)).digest('hex');
}

/** JSON with sorted keys and no white space, so that equal values have equal bytes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
