/** What a process of a run begins with: its position, and the values of its variables. */
import { TENSOR_FILES } from '../checkpoint/format.ts';
import { type Position, START } from './loop.ts';
import type { OpenRun, StartTensors } from './open-run.ts';
import type { StepOptions } from './step-options.ts';
import type { Random } from './random.ts';
import { initialValues, type VariableValues } from './session.ts';
import { fromTensorFiles } from './tensor-files.ts';

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
