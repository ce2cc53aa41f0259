/** `pggan plan`: what the trainings of a manifest will take on this machine, before they are started. */
import { EXIT, PgganError } from '../../crds/errors.ts';
import type { PhaseEstimate } from '../../crds/estimate.ts';
import { readManifests } from '../../crds/manifest.ts';
import { resolveTrainingRun } from '../../crds/resolve.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { expectedBackend } from '../backend/backend.ts';
import { type MemoryLimit, memoryLimit } from '../backend/memory-limit.ts';
import { checkMemory, phasesAhead } from '../train/check-memory.ts';
import { stepOptions } from '../train/open-run.ts';
import { measurePhase, type PhaseSpeed } from './measure.ts';
import { isWithin, planTraining } from './plan.ts';
import { planText } from './text.ts';

type Options = { readonly json?: boolean; readonly estimate?: boolean; readonly iterations: number };

/** Prints a table, or one JSON object per training and line; returns the exit code: 3 when a phase does not fit. @throws {PgganError} */
export async function planManifest(file: string, options: Options): Promise<number> {
  const trainings = (await readManifests(file)).filter((object) => object.kind === 'PGGANTraining');
  if (trainings.length === 0) throw new PgganError('ManifestInvalid', `${file} holds no PGGANTraining: there is nothing to plan`);
  let fits = true;
  for (const training of trainings) {
    const run = planningRun(training);
    const limitOf = limits(run);
    const backend = expectedBackend();
    // What WebAssembly cannot train has no plan.
    if (backend.kind === 'wasm') checkMemory(phasesAhead(run, 0), backend, limitOf);
    const plan = await planTraining(training, limitOf, (phase) => measure(run, phase, options));
    process.stdout.write(`${options.json ? JSON.stringify(plan) : planText(plan)}\n`);
    fits &&= plan.fits;
  }
  return fits ? EXIT.complete : EXIT.doesNotFit;
}

/** The run document that the training's preflight would be given. */
function planningRun(training: PGGANTraining): TrainingRun {
  // Whose weights it begins with changes no cost, and they may not be there yet.
  const { initFrom: _, ...spec } = training.spec;
  return resolveTrainingRun({ ...training, spec }, { task: { kind: 'preflight' }, cluster: 'local', port: 0 });
}

/** Of the phase's pod where the manifest gives it one, else of this machine. */
function limits({ task }: TrainingRun): (resolution: number) => MemoryLimit | undefined {
  const phaseMemory = task.kind === 'preflight' && task.phaseMemory !== 'shared' ? (task.phaseMemory ?? []) : [];
  return (resolution) => {
    const pod = phaseMemory.find((phase) => phase.resolution === resolution);
    return pod ? { bytes: pod.bytes, source: 'the memory limit of its pod', freeBytes: undefined } : memoryLimit();
  };
}

async function measure(
  run: TrainingRun,
  { shape, fadingImages, memoryBytes }: PhaseEstimate,
  options: Options,
): Promise<PhaseSpeed | undefined> {
  if (options.estimate || !isWithin(memoryBytes, memoryLimit())) return undefined;
  const { resolution, minibatch, microbatch } = shape;
  process.stderr.write(`measuring ${resolution}x${resolution}\n`);
  return measurePhase(
    // Labels are not known before the dataset is; a few more inputs of a dense layer cost nothing that could be seen.
    { options: stepOptions(run, { labelSize: 0 }), threads: run.threads, seed: run.seed, iterations: options.iterations },
    { resolution, minibatch, microbatch, fades: fadingImages > 0 },
  );
}
