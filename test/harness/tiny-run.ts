/** Trainer processes of a tiny training as a cluster would start them: one per task, without a driver. */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { parseProgress, type TrainingProgress } from '../../crds/progress.ts';
import { resolveTrainingRun } from '../../crds/resolve.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { validateManifest } from '../../crds/validate.ts';
import { type Command, trainer } from './pggan.ts';
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
export function train(t: TestContext, run: TrainingRun, env: Readonly<Record<string, string>> = {}): Command {
  return trainer(t, ['train'], run, env);
}

/** Asks a trainer to stop once it has trained on `images` images, and returns its exit code. */
export async function stopPast(images: number, trainer: Command): Promise<number | null> {
  while (isAlive(trainer.pid) && ((await progressOf(trainer))?.images ?? 0) < images) await setTimeout(5);
  if (isAlive(trainer.pid)) process.kill(trainer.pid, 'SIGTERM');
  return (await trainer.ended).code;
}

/** What the trainer serves at the moment; undefined before it does. */
export async function progressOf({ lines }: Command): Promise<TrainingProgress | undefined> {
  const port = /^\{"port":(\d+)\}$/.exec(lines[0] ?? '')?.[1];
  if (port === undefined) return undefined;
  try {
    const document = parseProgress(await (await fetch(`http://127.0.0.1:${port}/progress`)).text());
    return document?.kind === 'training' ? document : undefined;
  } catch {
    return undefined;
  }
}
