/**
 * bfloat16 on the native backend. tfjs knows no such type: a tensor of it lives behind a handle that calls itself float32, and ops that
 * take one run in bfloat16. On a CPU with AMX a convolution is about eight times faster so, on any machine a tensor is half as large.
 */
import * as tf from '@tensorflow/tfjs';
import { PgganError } from '../../crds/errors.ts';
import { attribute, type Attribute, DTYPE, type NativeBackend, native } from './native.ts';

/** `x` rounded to bfloat16; its gradient is float32 again. @throws {PgganError} BackendUnavailable on other backends */
export function toBFloat16<T extends tf.Tensor>(x: T): T {
  const backend = native();
  if (!backend) throw new PgganError('BackendUnavailable', 'precision BFloat16Mixed needs the native TensorFlow backend: use Float32 here');
  teach(backend as TeachableBackend);
  return isBFloat16(x) ? x : tf.engine().runKernel<T>(TO_BFLOAT16, { x });
}

/** `x` as float32, unchanged where it is; its gradient is bfloat16 where `x` is. Needed before a tensor is read on the host. */
export function fromBFloat16<T extends tf.Tensor>(x: T): T {
  return isBFloat16(x) ? tf.engine().runKernel<T>(FROM_BFLOAT16, { x }) : x;
}

/** True for a tensor whose elements are bfloat16. */
export function isBFloat16(x: tf.TensorInfo): boolean {
  const backend = native() as TeachableBackend | undefined;
  return backend !== undefined && taught.has(backend) && backend.tensorMap.get(x.dataId).dtype === DTYPE.bfloat16;
}

const TO_BFLOAT16 = 'PgganToBFloat16';
const FROM_BFLOAT16 = 'PgganFromBFloat16';

tf.registerKernel({
  kernelName: TO_BFLOAT16,
  backendName: 'tensorflow',
  kernelFunc: ({ inputs, backend }) => cast(backend as unknown as NativeBackend, inputs['x']!, DTYPE.float32, DTYPE.bfloat16),
});
tf.registerKernel({
  kernelName: FROM_BFLOAT16,
  backendName: 'tensorflow',
  kernelFunc: ({ inputs, backend }) => cast(backend as unknown as NativeBackend, inputs['x']!, DTYPE.bfloat16, DTYPE.float32),
});
tf.registerGradient({ kernelName: TO_BFLOAT16, gradFunc: (dy) => ({ x: () => fromBFloat16(dy as tf.Tensor) }) });
tf.registerGradient({ kernelName: FROM_BFLOAT16, gradFunc: (dy) => ({ x: () => toBFloat16(dy as tf.Tensor) }) });

/** The parts of tfjs-node's backend that have to learn of the type. */
type TeachableBackend = NativeBackend & {
  readonly tensorMap: { get(dataId: tf.DataId): { dtype: number } };
  executeMultipleOutputs(op: string, attributes: readonly Attribute[], inputs: readonly tf.TensorInfo[], outputs: number): tf.Tensor[];
};

const taught = new WeakSet<TeachableBackend>();

/** Once per backend; without a bfloat16 tensor nothing changes. */
function teach(backend: TeachableBackend): void {
  if (taught.has(backend)) return;
  taught.add(backend);
  const createOutput = backend.createOutputTensor.bind(backend);
  const executeSingle = backend.executeSingleOutput.bind(backend);
  const executeMultiple = backend.executeMultipleOutputs.bind(backend);
  backend.createOutputTensor = (metadata) => {
    if (metadata.dtype !== DTYPE.bfloat16) return createOutput(metadata);
    const handle = createOutput({ ...metadata, dtype: DTYPE.float32 });
    backend.tensorMap.get(handle.dataId).dtype = DTYPE.bfloat16;
    return handle;
  };
  backend.executeSingleOutput = (op, attributes, inputs) => inSharedType(backend, op, attributes, inputs, executeSingle);
  backend.executeMultipleOutputs = (op, attributes, inputs, outputs) =>
    inSharedType(backend, op, attributes, inputs, (...converted) => executeMultiple(...converted, outputs));
}

type Call<R> = (op: string, attributes: readonly Attribute[], inputs: readonly tf.TensorInfo[]) => R;

/** Runs an op that takes a bfloat16 tensor with all its float inputs in bfloat16; other ops as they are. */
function inSharedType<R>(
  backend: TeachableBackend,
  op: string,
  attributes: readonly Attribute[],
  inputs: readonly tf.TensorInfo[],
  call: Call<R>,
): R {
  if (!inputs.some(isBFloat16)) return call(op, attributes, inputs);
  if (op === 'Cast') {
    // tfjs's gradients cast to float32 what calls itself float32: that must not leave bfloat16. Real conversions name bfloat16.
    const isOurs = attributes.some(({ value }) => value === DTYPE.bfloat16);
    const isToFloat = attributes.some(({ name, value }) => name === 'DstT' && value === DTYPE.float32);
    return isToFloat && !isOurs ? call('Identity', [attribute.type('T', DTYPE.bfloat16)], inputs) : call(op, attributes, inputs);
  }
  const converted: tf.TensorInfo[] = [];
  const shared = inputs.map((input) => {
    if (input.dtype !== 'float32' || isBFloat16(input)) return input;
    const rounded = cast(backend, input, DTYPE.float32, DTYPE.bfloat16);
    converted.push(rounded);
    return rounded;
  });
  const types = attributes.map((each) => (each.name === 'T' && each.value === DTYPE.float32 ? { ...each, value: DTYPE.bfloat16 } : each));
  const result = call(op, types, shared);
  for (const tensor of converted) (tensor as tf.Tensor).dispose();
  return result;
}

function cast(backend: NativeBackend, x: tf.TensorInfo, from: number, to: number): tf.Tensor {
  return backend.executeSingleOutput(
    'Cast',
    [attribute.type('SrcT', from), attribute.type('DstT', to), attribute.bool('Truncate', false)],
    [x],
  );
}
