/** Opens a run for one process: the dataset, the right to write, run.json, and the newest good checkpoint or the run it is forked from. */
import type { CheckpointRef } from '../../crds/progress.ts';
import { fingerprintParts, type TrainingRun } from '../../crds/run.ts';
import { phases, scheduleAt } from '../../crds/schedule.ts';
import { loadFrom } from '../checkpoint/load-from.ts';
import { type LoadedCheckpoint, loadNewestCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { openStore } from '../checkpoint/open-store.ts';
import { acquireRun, systemClock, type Writer } from '../checkpoint/owner.ts';
import { checkClaim, claimRun, type RunRecord } from '../checkpoint/run-folder.ts';
import type { Store } from '../checkpoint/store.ts';
import { type Dataset, openDataset } from '../data/dataset.ts';
import { softwareVersions } from '../software.ts';
import { checkOptions } from './check-options.ts';
import type { StepOptions } from './step-options.ts';

export type OpenRun = {
  readonly store: Store;
  readonly writer: Writer;
  readonly dataset: Dataset;
  readonly options: StepOptions;
  readonly record: RunRecord;
  /** The newest good checkpoint of this run. */
  readonly restored: LoadedCheckpoint | undefined;
  /** For a new run with initFrom: whose weights it starts with, and after how many images. */
  readonly origin: Origin | undefined;
  readonly warnings: readonly string[];
  close(): Promise<void>;
};

export type Origin = {
  readonly checkpoint: LoadedCheckpoint<'generator' | 'discriminator' | 'generator-ema'>;
  readonly images: number;
};

/**
 * @param trains false for a preflight, which reads no tensors' worth of time but claims the folder all the same
 * @param print told what is fetched, since that may take a while
 * @throws {PgganError} of the store, the dataset, the options, the fingerprint or another writer
 */
export async function openRun(run: TrainingRun, trains: boolean, print: (line: string) => void): Promise<OpenRun> {
  const resolutions = run.task.kind === 'train' ? [run.task.resolution] : [];
  const dataset = await openDataset(run.dataset.uri, { s3: run.store, resolutions, note: print });
  try {
    checkOptions(run, dataset);
    const store = openStore(run.run.uri, { s3: run.store });
    const source = run.initFrom ? await loadOrigin(run, run.initFrom) : undefined;
    const parts = fingerprintParts(run, dataset.digest, source?.checkpoint.ref.digest ?? null);
    const claim = {
      parts,
      options: { ...run },
      software: softwareVersions(),
      data: {
        label: dataset.source.kind === 'phantom' ? ('phantom' as const) : ('images' as const),
        images: dataset.images,
        name: dataset.name,
      },
    };
    // A claim that is refused must not become the owner of somebody's run.
    await checkClaim(store, claim);
    const writer = await acquireRun(store, run.owner, systemClock, { trains });
    try {
      const { record } = await claimRun(store, claim, systemClock.now());
      const found = await loadNewestCheckpoint(store);
      return {
        store,
        writer,
        dataset,
        options: stepOptions(run, dataset),
        record,
        restored: found?.checkpoint,
        origin: found ? undefined : source,
        warnings: [
          ...(found?.skipped ?? []).map(({ key, reason }) => `checkpoint ${key} is damaged and was skipped: ${reason}`),
          ...otherMicrobatch(run, found?.checkpoint),
        ],
        async close() {
          dataset.close();
          await writer.release();
        },
      };
    } catch (error) {
      await writer.release();
      throw error;
    }
  } catch (error) {
    dataset.close();
    throw error;
  }
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

async function loadOrigin(run: TrainingRun, { uri, startKimg }: NonNullable<TrainingRun['initFrom']>): Promise<Origin> {
  const { checkpoint } = await loadFrom(uri, ['generator', 'discriminator', 'generator-ema'], run.store);
  const phase = phases(run.schedule, run.totalKimg).findLast(({ startImages }) => startImages < checkpoint.manifest.images);
  return { checkpoint, images: startKimg === undefined ? (phase?.startImages ?? 0) : startKimg * 1000 };
}

/** The reference to record as the parent of a fork's first checkpoint. */
export function originRef(origin: Origin | undefined): CheckpointRef | undefined {
  return origin?.checkpoint.ref;
}
