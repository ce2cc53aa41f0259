/** A checkpoint of the real size to measure with: what a full-width run would save. */
import { type CheckpointState, TENSOR_FILES, type TensorFiles } from '../trainer/checkpoint/format.ts';
import { createRandom } from '../trainer/train/random.ts';
import type { StepOptions } from '../trainer/train/step-options.ts';
import { initialValues } from '../trainer/train/session.ts';
import { toTensorFiles } from '../trainer/train/tensor-files.ts';
import { stepOptions } from './cases.ts';

export type BenchState = {
  readonly options: StepOptions;
  readonly files: TensorFiles;
  /** The tensors' bytes, in no particular order. */
  readonly tensors: readonly Uint8Array[];
  readonly bytes: number;
};

/** The whole state of a full-width run that ends at `resolution`. */
export function benchState(resolution: number): BenchState {
  const options = stepOptions({ width: 'full', resolution, precision: 'Float32' });
  const files = toTensorFiles(options.shape, distinctValues(options));
  const tensors = TENSOR_FILES.flatMap((name) => [...files[name].tensors.values()].map(({ data }) => data));
  return { options, files, tensors, bytes: tensors.reduce((sum, data) => sum + data.byteLength, 0) };
}

/** Moments are as incompressible as weights, since trained ones are. */
function distinctValues(options: StepOptions): ReadonlyMap<string, Float32Array> {
  const values = initialValues(options, createRandom(1));
  const weights = (name: string): Float32Array | undefined => values.get(name.replace(/^adam_[mv]\//, ''));
  return new Map([...values].map(([name, value]) => [name, name.startsWith('adam_') ? (weights(name) ?? value).map((x) => x * x) : value]));
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

export function stateAt(images: number): CheckpointState {
  return {
    images,
    imagesAtIterationStart: images,
    repeatIndex: 0,
    previousLod: 0,
    adamStep: { generator: 1, discriminator: 1 },
    tick: 0,
    imagesAtTickStart: 0,
    tickSums: {},
    secondsTrained: 0,
    secondsAtTickStart: 0,
    nextSnapshots: {},
    attempt: 1,
    environment: {},
  };
}
