/** What a process of a run begins with: the backend that the run began with, its position, and the values of its variables. */
import type { TrainingRun } from '../../crds/run.ts';
import { type Backend, prepareBackend } from '../backend/backend.ts';
import { differences } from '../backend/determinism.ts';
import { TENSOR_FILES } from '../checkpoint/format.ts';
import { type Position, START } from './loop.ts';
import type { OpenRun, StartTensors } from './open-run.ts';
import type { StepOptions } from './program.ts';
import type { Random } from './random.ts';
import { initialValues, type VariableValues } from './session.ts';
import { fromTensorFiles } from './tensor-files.ts';

/** The backend that the run began with, where this machine has it; what differs is added to `warnings`. */
export async function prepare(
  run: TrainingRun,
  { restored }: OpenRun,
  warnings: string[],
): Promise<{ readonly backend: Backend; readonly mode: 'graph' | 'eager' }> {
  const recorded = (restored?.state.environment ?? {}) as Partial<Backend> & { readonly mode?: 'graph' | 'eager' };
  const threads = recorded.kind === 'native' ? (recorded.threads ?? run.threads) : run.threads;
  if (threads !== run.threads)
    warnings.push(`spec.threads is ${run.threads}, but this run began with ${threads} and keeps them: other threads give other bits`);
  const backend = await prepareBackend({
    threads,
    ...(recorded.isa === undefined ? {} : { isa: recorded.isa }),
    warn: (message) => warnings.push(message),
  });
  warnings.push(...differences(recorded, backend).map((difference) => `${difference}; the run goes on, but not to the same bits`));
  const wanted = process.env['PGGAN_MODE'] === 'eager' || backend.kind === 'wasm' ? 'eager' : 'graph';
  const mode = recorded.mode === 'eager' || backend.kind === 'wasm' ? 'eager' : (recorded.mode ?? wanted);
  return { backend, mode };
}

/** Where training goes on. */
export function startOf({ restored, origin }: OpenRun): Position {
  if (!restored) {
    const images = origin?.images ?? 0;
    return { ...START, images, imagesAtIterationStart: images, imagesAtTickStart: images };
  }
  const { images, imagesAtIterationStart, repeatIndex, previousLod, adamStep, tick, imagesAtTickStart, tickSums } = restored.state;
  return { images, imagesAtIterationStart, repeatIndex, previousLod, adamStep, tick, imagesAtTickStart, tickSums };
}

/** Values of all variables: from the checkpoint, or new ones, with the weights of the run that this one is forked from. */
export function startValues(options: StepOptions, tensors: StartTensors, random: Random): VariableValues {
  const { shape } = options;
  switch (tensors.kind) {
    case 'restored':
      return fromTensorFiles(shape, tensors.checkpoint, TENSOR_FILES);
    case 'forked':
      return new Map([
        ...initialValues(options, random),
        ...fromTensorFiles(shape, tensors.checkpoint, ['generator', 'discriminator', 'generator-ema']),
      ]);
    case 'new':
      return initialValues(options, random);
  }
}
