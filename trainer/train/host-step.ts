/** Runs one step of a program from arrays on the host to arrays on the host. */
import * as tf from '@tensorflow/tfjs';
import type { Feeds, Program } from '../backend/program.ts';
import type { StepName } from './step-options.ts';

/** Inputs of a step: arrays with their shapes, or numbers. */
export type HostFeeds = Readonly<Record<string, number | HostTensor>>;
export type HostTensor = { readonly shape: readonly number[]; readonly data: Float32Array };

/** A copy of one of the step's outputs. */
export function runOnHost(program: Program, step: StepName, feeds: HostFeeds, output: string): Float32Array {
  return withTensors(feeds, (tensors) => {
    const outputs = program.run(step, tensors);
    try {
      const tensor = outputs[output];
      if (!tensor) throw new Error(`step ${step} returned no ${output}`);
      return Float32Array.from(tensor.dataSync());
    } finally {
      tf.dispose(outputs);
    }
  });
}

function withTensors<T>(feeds: HostFeeds, use: (tensors: Feeds) => T): T {
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, value]) => [
      name,
      typeof value === 'number' ? tf.scalar(value) : tf.tensor(value.data, [...value.shape]),
    ]),
  );
  try {
    return use(tensors);
  } finally {
    tf.dispose(tensors);
  }
}
