/** Trainer processes of a tiny training as a cluster would start them: one per task, without a driver. */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { parseProgress, type TrainingProgress } from '../../crds/progress.ts';
import { resolveTrainingRun } from '../../crds/resolve.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { validateManifest } from '../../crds/validate.ts';
import { type Command, succeeded, trainer, type TrainerSurroundings } from './pggan.ts';
import { isAlive } from './processes.ts';
import { uriOf } from './tiny-training.ts';

export const PREFLIGHT = { kind: 'preflight' } as const;

/** The run document of a manifest for the run folder `run`. @param resolution of the phase; a preflight without one */
export function runDocumentOf(manifest: string, run: string, resolution?: number): TrainingRun {
  const validated = validateManifest(JSON.parse(readFileSync(manifest, 'utf8')), { local: true });
  if (!validated.ok) throw new Error(`${manifest}: ${validated.problems.map(({ field, message }) => `${field} ${message}`).join('; ')}`);
  const task = resolution === undefined ? PREFLIGHT : ({ kind: 'train', resolution } as const);
  return resolveTrainingRun(validated.object as PGGANTraining, { task, cluster: 'test', port: 0, runUri: uriOf(run) });
}

/** Starts a trainer on it. */
export function train(t: TestContext, run: TrainingRun, surroundings: TrainerSurroundings = {}): Command {
  return trainer(t, run, surroundings);
}

/** Trains a manifest of two resolutions to its end, with nobody to disturb it. */
export async function trainUndisturbed(t: TestContext, manifest: string, run: string): Promise<void> {
  for (const resolution of [4, 8]) await succeeded(train(t, runDocumentOf(manifest, run, resolution)));
}

/** Asks a trainer to stop once it has trained on `images` images, and returns its exit code. */
export async function stopPast(images: number, trainer: Command): Promise<number | null> {
  while (isAlive(trainer.pid) && ((await progressOf(trainer))?.images ?? 0) < images) await setTimeout(5);
  if (isAlive(trainer.pid)) process.kill(trainer.pid, 'SIGTERM');
  return (await trainer.ended).code;
}

/** The first document that the trainer serves for which `holds`; rejects when it ends before. */
export async function progressWhen(trainer: Command, holds: (progress: TrainingProgress) => boolean): Promise<TrainingProgress> {
  while (isAlive(trainer.pid)) {
    const progress = await progressOf(trainer);
    if (progress && holds(progress)) return progress;
    await setTimeout(5);
  }
  throw new Error(`the trainer ended first: ${[...trainer.lines, ...trainer.errors].join('\n')}`);
}

/** What the trainer serves at the moment; undefined before it does. */
export async function progressOf(trainer: Command): Promise<TrainingProgress | undefined> {
  const document = parseProgress((await served(trainer, '/progress'))?.text ?? '');
  return document?.kind === 'training' ? document : undefined;
}

/** An answer of the trainer's server; undefined where there is none. */
export async function served({ lines }: Command, path: string): Promise<{ readonly status: number; readonly text: string } | undefined> {
  const port = /^\{"port":(\d+)\}$/.exec(lines[0] ?? '')?.[1];
  if (port === undefined) return undefined;
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, text: await answer.text() };
  } catch {
    return undefined;
  }
}
