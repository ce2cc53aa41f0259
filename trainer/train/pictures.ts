/** The pictures of a run: reals, the same latents at every tick, and the growth figure at its end. */
import { PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { Moment } from '../../crds/schedule.ts';
import { loadCheckpoint, listCheckpoints } from '../checkpoint/load-checkpoint.ts';
import type { Store } from '../checkpoint/store.ts';
import type { Dataset } from '../data/dataset.ts';
import { showsPhantoms } from '../data/folder.ts';
import { gridPng, gridSize, type ImageBatch } from '../report/grid.ts';
import { type GrowthColumn, growthPng } from '../report/growth.ts';
import { lossesPng } from '../report/losses.ts';
import { createSampler } from '../synthesis/sampler.ts';
import { fadeOf, labelRows } from './feeds.ts';
import type { Random } from './random.ts';
import type { Session } from './session.ts';
import type { StepOptions } from './step-options.ts';
import { averagedGenerator } from './tensor-files.ts';

/** The reference's layout, capped so that small networks do not spend their time on drawing. */
const MOST = { columns: 16, rows: 9 };
const GROWTH_ROWS = 6;
/** Smallest and largest side of an image in the growth figure, in pixels. */
const GROWTH_SIDE = { least: 128, most: 256 };

export interface Pictures {
  /** Real images at full resolution; once, at the beginning of a run. */
  reals(): Promise<void>;
  /** The run's fixed latents through the averaged generator; returns the picture's key in the run folder. */
  fakes(session: Session, images: number, moment: Moment): Promise<string>;
  /** The same latents at the end of each phase, side by side; the last column is the session as it is. */
  growth(session: Session, images: number, moment: Moment): Promise<string>;
  /** Losses against images shown, from the lines of metrics.jsonl; at the end of each phase. */
  losses(metrics: string): Promise<void>;
}

export function createPictures(run: TrainingRun, store: Store, dataset: Dataset, options: StepOptions, random: Random): Pictures {
  const { shape } = options;
  const { columns, rows } = gridSize(shape.resolution, MOST);
  const cells = columns * rows;
  const order = random.permutation('grid/reals', 0, dataset.images);
  const shown = Array.from({ length: cells }, (_, cell) => order[cell % order.length] ?? 0);
  const input = {
    latents: random.normal('grid/latents', 0, cells * shape.latentSize),
    ...(dataset.labels ? { labels: labelRows(dataset, shown).data } : {}),
  };
  const isPhantom = showsPhantoms(dataset.source);
  const text = (what: string): Record<string, string> => ({
    Software: 'pggan-operator',
    Title: `${run.owner.namespace}/${run.owner.name}`,
    Description: isPhantom ? `${what}; trained on phantoms, no patient is shown` : what,
  });
  const write = async (key: string, png: Buffer): Promise<string> => {
    await store.write(key, [png]);
    return key;
  };
  const batch = (data: ImageBatch['data'], resolution: number, count: number): ImageBatch => ({
    data,
    shape: [count, resolution, resolution, shape.channels],
  });

  return {
    async reals() {
      await dataset.prepare(shape.resolution, shown);
      const images = batch(dataset.read(shape.resolution, shown), shape.resolution, cells);
      await write(
        'samples/reals.png',
        gridPng(images, { columns, rows, text: text(isPhantom ? 'phantoms of chest radiographs' : 'real training images') }),
      );
    },
    fakes(session, images, { resolution, lod }) {
      const name = `samples/fakes${String(Math.round(images / 1000)).padStart(6, '0')}.png`;
      const made = batch(session.sample(input, fadeOf(lod)), resolution, cells);
      return write(
        name,
        gridPng(made, {
          columns,
          rows,
          resolution: shape.resolution,
          text: text(`synthetic images after ${images} real images shown; not for diagnosis`),
        }),
      );
    },
    async growth(session, images, moment) {
      const few = {
        latents: input.latents.subarray(0, GROWTH_ROWS * shape.latentSize),
        ...(input.labels ? { labels: input.labels.subarray(0, GROWTH_ROWS * shape.labelSize) } : {}),
      };
      const column = (resolution: number, made: ImageBatch['data'], shown: number): GrowthColumn => ({
        resolution,
        images: batch(made, resolution, GROWTH_ROWS),
        caption: `${Math.round(shown / 1000)} kimg`,
      });
      // One column per resolution: where totalKimg was raised, the last end of its phase.
      const drawn = new Map<number, GrowthColumn>();
      for (const { key, committed } of (await listCheckpoints(store)).toReversed()) {
        const checkpoint = committed ? await usable(store, key) : undefined;
        if (!checkpoint || checkpoint.manifest.phaseEnd === null) continue;
        const sampler = createSampler({
          shape,
          weights: averagedGenerator(shape, checkpoint),
          lod: checkpoint.state.previousLod ?? 0,
          minibatch: GROWTH_ROWS,
          mode: 'eager',
        });
        drawn.set(sampler.resolution, column(sampler.resolution, sampler.sample(few), checkpoint.manifest.images));
        sampler.dispose();
      }
      drawn.set(moment.resolution, column(moment.resolution, session.sample(few, fadeOf(moment.lod)), images));
      const png = await growthPng([...drawn.values()], {
        side: Math.min(Math.max(shape.resolution, GROWTH_SIDE.least), GROWTH_SIDE.most),
        text: text('synthetic images, one column per resolution; not for diagnosis'),
      });
      return write('samples/growth.png', png);
    },
    async losses(metrics) {
      const png = await lossesPng({
        title: `${run.owner.namespace}/${run.owner.name}`,
        schedule: run.schedule,
        gradientTarget: run.loss.wganTarget,
        metrics,
        text: text('losses, scores and gradient norm per resolution'),
      });
      if (png) await write('samples/losses.png', png);
    },
  };
}

/** A checkpoint, or undefined where it is damaged: a picture must not fail a run that is finished. */
async function usable(store: Store, key: string) {
  try {
    return await loadCheckpoint(store, key, { files: ['generator-ema'] });
  } catch (error) {
    if (error instanceof PgganError && error.code === 'CheckpointInvalid') return undefined;
    throw error;
  }
}
