/** Opens a run for one process: the dataset, the right to write, run.json, and the newest good checkpoint or the run it is forked from. */
import { asError, PgganError } from '../../crds/errors.ts';
import type { CheckpointRef } from '../../crds/progress.ts';
import { fingerprintParts, type TrainingRun } from '../../crds/run.ts';
import { phases, scheduleAt } from '../../crds/schedule.ts';
import type { CheckpointState, CommittedCheckpoint } from '../checkpoint/format.ts';
import { findFrom, loadFrom } from '../checkpoint/load-from.ts';
import { type LoadedCheckpoint, loadNewestCheckpoint, type SkippedCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { refuseNested } from '../checkpoint/nested.ts';
import { openStore } from '../checkpoint/open-store.ts';
import { acquireRun, LEASE_SECONDS, systemClock, type Writer } from '../checkpoint/owner.ts';
import { checkClaim, claimRun, type RunClaim, type RunRecord, readRun } from '../checkpoint/run-folder.ts';
import { stagingFolder, uploadStaged } from '../checkpoint/staging.ts';
import type { Store } from '../checkpoint/store.ts';
import { type Dataset, openDataset } from '../data/dataset.ts';
import { showsPhantoms } from '../data/folder.ts';
import { softwareVersions } from '../software.ts';
import { checkOptions } from './check-options.ts';
import { checkSource } from './check-source.ts';
import type { StepOptions } from './step-options.ts';

/** A run that this process may write to. */
export type ClaimedRun = {
  readonly store: Store;
  readonly writer: Writer;
  readonly dataset: Dataset;
  readonly record: RunRecord;
  /** With initFrom: which checkpoint this run is forked from, and after how many images it begins. */
  readonly origin: Origin | undefined;
  close(): Promise<void>;
};

type Origin = { readonly checkpoint: CheckpointRef; readonly images: number };

export type OpenRun = Omit<ClaimedRun, 'origin'> & {
  readonly options: StepOptions;
  /** The newest good checkpoint of this run. */
  readonly restored: (CommittedCheckpoint & { readonly state: CheckpointState }) | undefined;
  /** Only for a run that has no checkpoint yet. */
  readonly origin: Origin | undefined;
  /** Hands over the tensors to begin with, once: what is kept by nobody costs no memory for the days to come. */
  takeTensors(): StartTensors;
  readonly warnings: readonly string[];
};

export type StartTensors =
  | { readonly kind: 'restored'; readonly checkpoint: LoadedCheckpoint }
  | { readonly kind: 'forked'; readonly checkpoint: LoadedCheckpoint<ForkedFile> }
  | { readonly kind: 'new' };

const FORKED_FILES = ['generator', 'discriminator', 'generator-ema'] as const;
type ForkedFile = (typeof FORKED_FILES)[number];

/**
 * Opens a run to train on it.
 * @param hurried whether the process is to end, so that a store that is away is no longer waited for
 * @throws {PgganError} of the store, the dataset, the options, the fingerprint or another writer
 */
export async function openRun(run: TrainingRun, print: (line: string) => void, hurried?: () => boolean): Promise<OpenRun> {
  const claimed = await openClaimed(run, true, print, hurried);
  const { store, writer, dataset, record } = claimed;
  try {
    const staging = stagingFolder(store.uri, record.fingerprint);
    const uploaded = staging === undefined ? undefined : await uploadStaged(staging, store, () => writer.check());
    const found = await loadNewestCheckpoint(store);
    let tensors: StartTensors | undefined = await startTensors(found?.checkpoint, record, run.store);
    return {
      ...claimed,
      options: stepOptions(run, dataset),
      restored: found && withoutTensors(found.checkpoint),
      origin: found ? undefined : claimed.origin,
      takeTensors() {
        if (!tensors) throw new Error('the tensors to begin with were taken already');
        const taken = tensors;
        tensors = undefined;
        return taken;
      },
      warnings: [
        ...(uploaded === undefined ? [] : [uploaded]),
        ...skippedText(found?.skipped ?? []),
        ...otherMicrobatch(run, found?.checkpoint),
      ],
    };
  } catch (error) {
    await claimed.close();
    throw error;
  }
}

/**
 * Checks everything that can be known without a tensor, and takes the run.
 * @param trains false for a preflight, which does not count as an attempt
 * @param print told what is fetched, since that may take a while
 * @throws {PgganError} as openRun
 */
export async function openClaimed(
  run: TrainingRun,
  trains: boolean,
  print: (line: string) => void,
  hurried: () => boolean = () => false,
): Promise<ClaimedRun> {
  const resolutions = run.task.kind === 'train' ? [run.task.resolution] : [];
  const dataset = await openDataset(run.dataset.uri, { s3: run.store, resolutions, note: print });
  try {
    checkOptions(run, dataset);
    const store = openStore(run.run.uri, { s3: run.store, hurried });
    const source = run.initFrom && (await sourceOf(store, run, run.initFrom.uri));
    const claim = claimOf(run, dataset, source);
    // A claim that is refused must not become the owner of somebody's run.
    const kind = await checkClaim(store, claim);
    // A run that was begun inside another, by a version that did not look, goes on.
    if (kind === 'new') await refuseNested(store.uri, (uri) => openStore(uri, { s3: run.store, hurried }));
    const writer = await acquireRun(store, run.owner, systemClock, { trains });
    const close = async (): Promise<void> => {
      dataset.close();
      await released(writer, print);
    };
    try {
      const { record } = await claimRun(store, claim, systemClock.now());
      return { store, writer, dataset, record, origin: source && originOf(run, source.checkpoint), close };
    } catch (error) {
      await released(writer, print);
      throw error;
    }
  } catch (error) {
    dataset.close();
    throw error;
  }
}

/** A store that cannot be told of the end changes nothing about how the process ended: the lease runs out by itself. */
async function released(writer: Writer, print: (line: string) => void): Promise<void> {
  try {
    await writer.release();
  } catch (thrown) {
    const reason = asError(thrown).message;
    print(`warning: the run could not be released, so another machine waits up to ${LEASE_SECONDS} s for it: ${reason}`);
  }
}

/** What is said of checkpoints that cannot be used. */
export function skippedText(skipped: readonly SkippedCheckpoint[]): readonly string[] {
  return skipped.map(({ key, reason }) => `checkpoint ${key} is damaged and was skipped: ${reason}`);
}

type Source = NonNullable<RunRecord['source']>;

/** The checkpoint that a fork begins with: the one that run.json names since the run began, or now the newest of what `uri` names. */
async function sourceOf(store: Store, run: TrainingRun, uri: string): Promise<Source> {
  const known = (await readRun(store))?.source;
  if (known?.uri === uri) return known;
  const { store: source, checkpoint } = await findFrom(uri, run.store);
  await checkSource(run, source);
  return { uri, checkpoint: checkpoint.ref, weightsDigest: checkpoint.manifest.weightsDigest };
}

function originOf({ initFrom, schedule, totalKimg }: TrainingRun, checkpoint: CheckpointRef): Origin {
  const phase = phases(schedule, totalKimg).findLast(({ startImages }) => startImages < checkpoint.images);
  return { checkpoint, images: initFrom?.startKimg === undefined ? (phase?.startImages ?? 0) : initFrom.startKimg * 1000 };
}

function claimOf(run: TrainingRun, dataset: Dataset, source: Source | undefined): RunClaim {
  return {
    parts: fingerprintParts(run, dataset.digest, source?.checkpoint.digest ?? null),
    options: { ...run },
    software: softwareVersions(),
    data: { label: showsPhantoms(dataset.source) ? 'phantom' : 'images', images: dataset.images, name: dataset.name },
    ...(source && { source }),
  };
}

/** What a run begins with. @throws {PgganError} CheckpointInvalid where the checkpoint that it is forked from is gone or another one by now */
async function startTensors(
  restored: LoadedCheckpoint | undefined,
  { source }: RunRecord,
  s3: TrainingRun['store'],
): Promise<StartTensors> {
  if (restored) return { kind: 'restored', checkpoint: restored };
  if (!source) return { kind: 'new' };
  const { checkpoint } = await loadFrom(source.checkpoint.uri, FORKED_FILES, s3);
  if (checkpoint.manifest.weightsDigest === source.weightsDigest) return { kind: 'forked', checkpoint };
  throw new PgganError('CheckpointInvalid', `${source.checkpoint.uri} holds other weights than when this run was forked from it`);
}

function withoutTensors({ key, manifest, ref, state }: LoadedCheckpoint): NonNullable<OpenRun['restored']> {
  return { key, manifest, ref, state };
}

/** What the steps of this run have in common. */
export function stepOptions(run: TrainingRun, dataset: Pick<Dataset, 'labelSize'>): StepOptions {
  return {
    shape: { ...run.network, resolution: run.schedule.resolution, labelSize: dataset.labelSize },
    loss: run.loss,
    optimizer: run.optimizer,
    averagingDecay: run.averaging.decay,
    precision: run.precision,
    mirrorAugment: run.mirrorAugment,
  };
}

/** What there is to say where the phase that a checkpoint stands in goes on in other microbatches than it was begun in. */
function otherMicrobatch({ schedule, task }: TrainingRun, checkpoint: LoadedCheckpoint | undefined): readonly string[] {
  if (!checkpoint) return [];
  const { imagesAtIterationStart, environment } = checkpoint.state;
  const { resolution, minibatch, microbatch = minibatch } = scheduleAt(schedule, imagesAtIterationStart);
  const before = environment['microbatch'] ?? minibatch;
  if (before === microbatch || (task.kind === 'train' && task.resolution !== resolution)) return [];
  return [
    `the checkpoint was computed in microbatches of ${String(before)}, this process uses ${microbatch}; the run goes on, but not to the same bits`,
  ];
}
