/** What a kill costs: the training since the checkpoint that the next process goes on from, and that process's start. */
import { setTimeout } from 'node:timers/promises';
import type { Command } from '../harness/pggan.ts';
import { isAlive } from '../harness/processes.ts';
import { progressOf } from '../harness/tiny-run.ts';

/** The life of one trainer process, watched from outside; seconds count from its start. */
export type Life = {
  /** When it was first seen at each number of images, in rising order. */
  readonly seen: readonly { readonly seconds: number; readonly images: number }[];
  secondsSoFar(): number;
};

export type Loss = {
  /** Training after the newest checkpoint that the store holds. */
  readonly trainedSeconds: number;
  readonly images: number;
  /** From the start of the process to its first step; undefined where it died before. */
  readonly startSeconds: number | undefined;
};

export function watchLife(trainer: Command): Life {
  const start = performance.now();
  const secondsSoFar = (): number => (performance.now() - start) / 1000;
  const seen: { readonly seconds: number; readonly images: number }[] = [];
  const watch = async (): Promise<void> => {
    while (isAlive(trainer.pid)) {
      const progress = await progressOf(trainer);
      const images = progress?.state === 'Starting' ? undefined : progress?.images;
      if (images !== undefined && images !== seen.at(-1)?.images) seen.push({ seconds: secondsSoFar(), images });
      await setTimeout(10);
    }
  };
  void watch();
  return { seen, secondsSoFar };
}

/** @param saved images of the newest checkpoint, after the process has died */
export function lossOf(life: Life, saved: number): Loss {
  const { seen } = life;
  const since = seen.find(({ images }) => images > saved);
  const last = seen.at(-1)?.images ?? saved;
  return {
    trainedSeconds: since === undefined ? 0 : life.secondsSoFar() - since.seconds,
    images: Math.max(last - saved, 0),
    startSeconds: seen[0]?.seconds,
  };
}

export function lossText(losses: readonly Loss[]): string {
  const trained = mean(losses.map(({ trainedSeconds }) => trainedSeconds));
  const started = mean(losses.flatMap(({ startSeconds }) => startSeconds ?? []));
  const images = mean(losses.map((loss) => loss.images));
  return `${losses.length} kills; mean time lost per kill ${(trained + started).toFixed(1)} s: ${trained.toFixed(1)} s of training (${images.toFixed(0)} images), ${started.toFixed(1)} s of starting again`;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
