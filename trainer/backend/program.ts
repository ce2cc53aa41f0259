/** A program: named steps over named float32 variables, run eagerly or as a traced TensorFlow graph with the same results to 6 digits. */
import type * as tf from '@tensorflow/tfjs';

export type Feeds = Readonly<Record<string, tf.Tensor>>;
export type Outputs = Record<string, tf.Tensor>;

/** A float32 variable as a step sees it. Writes take effect in program order: a read after a write sees it. */
export interface Variable {
  readonly name: string;
  readonly shape: readonly number[];
  read(): tf.Tensor;
  assign(value: tf.Tensor): void;
}

export type Variables = Readonly<Record<string, Variable>>;

/** Host copies of variables, by name, in the layout that the steps use. */
export type Values = ReadonlyMap<string, Float32Array>;

/** One pure-looking step: tensors in, tensors out; its only effects are writes to variables. No host reads, no randomness, no JavaScript state. */
export type StepFunction = (feeds: Feeds) => Outputs;

export type ProgramDefinition = {
  /** `graph`: trace once and replay (native backend only). `eager`: the readable definition, the debugging mode and the wasm path. */
  readonly mode: 'graph' | 'eager';
  /** Shape of every variable. All start at zero: write() them before the first step. */
  readonly variables: Readonly<Record<string, readonly number[]>>;
  /** Builds the steps over the variables; called once. */
  readonly steps: (variables: Variables) => Readonly<Record<string, StepFunction>>;
  /** Feeds of the right shapes and dtypes for a step, with values that depend on `variant` (0 or 1), to trace it with. */
  readonly example: (step: string, variant: number) => Feeds;
};

export interface Program {
  /** Runs one step; the caller disposes the outputs and keeps its feeds. */
  run(step: string, feeds: Feeds): Outputs;
  /** Copies of the variables named, or of all. */
  read(names?: readonly string[]): Map<string, Float32Array>;
  /** Sets the variables given; the others keep their values. @throws RangeError for an unknown name or a wrong length. */
  write(values: Values): void;
  dispose(): void;
}
