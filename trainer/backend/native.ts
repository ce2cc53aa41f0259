/** Any TensorFlow op by its name, through the native addon; undefined on other backends. */
import * as tf from '@tensorflow/tfjs';

export type Attribute = { readonly name: string; readonly type: number; readonly value: unknown };

/** An output of an op as the addon describes it. */
export type TensorMetadata = { readonly id: number; readonly shape: readonly number[]; readonly dtype: number };

/** What the addon offers; `executeOp` is the one door through which every op goes. */
export interface Binding {
  readonly [constant: `TF_${string}`]: number;
  executeOp(op: string, attributes: readonly Attribute[], inputIds: readonly number[], outputs: number): TensorMetadata[];
  createTensor(shape: readonly number[], dtype: number, data: ArrayBufferView): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): ArrayBufferView;
  loadSavedModel(folder: string, tags: string): number;
  deleteSavedModel(session: number): void;
  runSavedModel(session: number, inputIds: readonly number[], inputNames: string, outputNames: string): TensorMetadata[];
  getNumOfTensors(): number;
}

/** The parts of tfjs-node's backend that are used here; some are private there. */
export interface NativeBackend {
  binding: Binding;
  /** What is behind a handle: its dtype is TensorFlow's own, which JavaScript may call by another name (bfloat16, uint8). */
  readonly tensorMap: { get(dataId: object): { readonly id: number; dtype: number; readonly shape: readonly number[] } };
  executeSingleOutput(op: string, attributes: readonly Attribute[], inputs: readonly tf.TensorInfo[]): tf.Tensor;
  createOutputTensor(metadata: TensorMetadata): tf.Tensor;
  getInputTensorIds(tensors: readonly tf.TensorInfo[]): number[];
}

/** TensorFlow's DataType enum, as far as it is used. */
export const DTYPE = { float32: 1, int32: 3, uint8: 4, int64: 9, bool: 10, bfloat16: 14, resource: 20 } as const;

/** The native backend, or undefined when this process computes with another one. */
export function native(): NativeBackend | undefined {
  return tf.getBackend() === 'tensorflow' ? (tf.backend() as unknown as NativeBackend) : undefined;
}

/** Attributes by kind: `attribute.int('strides', [1, 2, 2, 1])`. */
export const attribute = {
  type: (name: string, value: number): Attribute => make('TF_ATTR_TYPE', name, value),
  int: (name: string, value: number | readonly number[]): Attribute => make('TF_ATTR_INT', name, value),
  float: (name: string, value: number): Attribute => make('TF_ATTR_FLOAT', name, value),
  bool: (name: string, value: boolean): Attribute => make('TF_ATTR_BOOL', name, value),
  string: (name: string, value: string): Attribute => make('TF_ATTR_STRING', name, value),
  shape: (name: string, value: readonly number[]): Attribute => make('TF_ATTR_SHAPE', name, value),
} as const;

function make(kind: `TF_${string}`, name: string, value: unknown): Attribute {
  const type = native()?.binding[kind];
  if (type === undefined) throw new Error(`attribute ${name} needs the native backend`);
  return { name, type, value };
}
