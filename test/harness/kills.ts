/** Kills a run's trainer at moments that are proven: it is stopped first, then the run folder is looked at, and only then it dies. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseProgress, type TrainingProgress } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { scheduleAt } from '../../crds/schedule.ts';
import { whenChanged } from './changes.ts';
import type { Command } from './pggan.ts';
import { freeze, killHard, thaw, trainerOf } from './processes.ts';
import { type CheckpointFolder, checkpointFolders, newestCheckpoint, readJson, stateOf } from './tiny-training.ts';

/** What is on disk while the trainer stands still. */
export type Stillness = {
  /** Images of the newest checkpoint; 0 before the first. */
  readonly images: number;
  /** The resolution whose phase ends with it. */
  readonly phaseEnd: number | null;
  /** Level of detail that training goes on with from it: a fraction while a resolution fades in. */
  readonly lod: number;
  /** A folder with tensor files and no checkpoint.json. */
  readonly uploading: CheckpointFolder | undefined;
  /** Number of the training process, counted over the run. */
  readonly attempt: number;
};

export type Kills = {
  /** Kills the trainer the first time that `springs` holds, and returns what was on disk then. */
  killWhen(springs: (seen: Stillness) => boolean): Promise<Stillness>;
  /** Kills the trainer once it tells that it has trained on `images` images. */
  killPast(images: number): Promise<Stillness>;
  /** The progress document of the running trainer, once it has trained on `images` images. */
  trainedOn(images: number): Promise<TrainingProgress>;
  /** Images that the next training process after `attempt` starts from; 0 where it begins anew. */
  resumedAfter(attempt: number): Promise<number>;
};

export function killsOf(command: Command, run: string): Kills {
  const failed = command.ended.then(({ code, signal }) => {
    throw new Error(`ended with ${code ?? signal} while it was waited for: ${[...command.lines, ...command.errors].join('\n')}`);
  });
  failed.catch(() => undefined);
  const frozen = async <T>(work: (pid: number, seen: Stillness) => T | undefined): Promise<T | undefined> => {
    const pid = trainerOf(command)?.pid;
    if (pid === undefined || !(await freeze(pid))) return undefined;
    const done = work(pid, stillness(run));
    if (done === undefined) thaw(pid);
    return done;
  };
  const trainedOn = async (images: number): Promise<TrainingProgress> => {
    for (;;) {
      const document = await Promise.race([progressOf(run), failed]);
      if (document?.kind === 'training' && document.images >= images) return document;
      await setTimeout(2);
    }
  };
  return {
    killWhen: (springs) =>
      whenChanged(join(run, 'checkpoints'), () => frozen((pid, seen) => (springs(seen) ? kill(pid, seen) : undefined)), failed),
    async killPast(images) {
      await trainedOn(images);
      const seen = await frozen(kill);
      if (!seen) throw new Error('the trainer had ended before it could be killed');
      return seen;
    },
    trainedOn,
    resumedAfter: (attempt) =>
      whenChanged(
        join(run, '.pggan'),
        () => lastDocuments(run).find((document) => document.attempt > attempt && document.state !== 'Failed'),
        failed,
      ).then(({ resumedFrom }) => resumedFrom?.images ?? 0),
  };
}

function kill(pid: number, seen: Stillness): Stillness {
  killHard(pid);
  return seen;
}

function stillness(run: string): Stillness {
  const newest = newestCheckpoint(run);
  const { attempt } = readJson(join(run, 'owner.json')) as { readonly attempt: number };
  const uploading = checkpointFolders(run).find(({ manifest, files }) => !manifest && files.some((file) => file.endsWith('.safetensors')));
  const { schedule } = (readJson(join(run, 'run.json')) as { readonly options: TrainingRun }).options;
  const lod = scheduleAt(schedule, newest ? stateOf(newest).imagesAtIterationStart : 0).lod;
  return { images: newest?.images ?? 0, phaseEnd: newest?.manifest.phaseEnd ?? null, lod, uploading, attempt };
}

/** What the process answers whose port was told last; undefined while none does. */
async function progressOf(run: string): Promise<ReturnType<typeof parseProgress>> {
  const port = [...(textOf(join(run, 'trainer.log')) ?? '').matchAll(/^\{"port":(\d+)\}$/gm)].at(-1)?.[1];
  if (port === undefined) return undefined;
  try {
    return parseProgress(await (await fetch(`http://127.0.0.1:${port}/progress`)).text());
  } catch {
    return undefined;
  }
}

/** The last words of training processes, those of the running one included. */
function lastDocuments(run: string): readonly TrainingProgress[] {
  const folder = join(run, '.pggan');
  return readdirSync(folder).flatMap((name) => {
    const document = parseProgress(textOf(join(folder, name)) ?? '');
    return document?.kind === 'training' ? [document] : [];
  });
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
