/** Lets TensorFlow ops stand in tfjs's own registry of kernels and gradients, so that only gradients that are asked for are computed. */
import * as tf from '@tensorflow/tfjs';
import { type Attribute, attribute, DTYPE, type NativeBackend, native } from '../backend/native.ts';

type Inputs<Name extends string> = Readonly<Record<Name, tf.Tensor>>;
type Gradients<Name extends string> = Readonly<Partial<Record<Name, () => tf.Tensor>>>;

export type NativeOp<Name extends string> = {
  /** Its name in tfjs's registry. */
  readonly name: string;
  readonly run: (backend: NativeBackend, inputs: Inputs<Name>) => tf.Tensor;
  /** Inputs that the gradient reads, in this order. Unlike a saved output they stay differentiable. */
  readonly saveInputs?: readonly Name[];
  /** Hands the output to the gradient, after the inputs. No second gradient flows through it. */
  readonly saveOutput?: boolean;
  /** One function per differentiable input. Left out, differentiating this op throws, which is better than a silent zero. */
  readonly gradient?: (dy: tf.Tensor, saved: readonly tf.Tensor[]) => Gradients<Name>;
};

/** Registers `op` for the native backend and returns the function that calls it. */
export function nativeOp<Name extends string>(op: NativeOp<Name>): (inputs: Inputs<Name>) => tf.Tensor {
  tf.registerKernel({
    kernelName: op.name,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, backend }) => op.run(backend as unknown as NativeBackend, inputs as unknown as Inputs<Name>),
  });
  const { gradient } = op;
  if (gradient)
    tf.registerGradient({
      kernelName: op.name,
      inputsToSave: [...(op.saveInputs ?? [])],
      outputsToSave: [op.saveOutput === true],
      gradFunc: (dy, saved) => gradient(dy as tf.Tensor, saved) as Record<string, () => tf.Tensor>,
    });
  return (inputs) => tf.engine().runKernel(op.name, { ...inputs });
}

/** Attribute T = float32, which most ops carry. */
export const floatType = (): Attribute => attribute.type('T', DTYPE.float32);

/** True when ops can be run by name in this process. */
export const hasNativeOps = (): boolean => native() !== undefined;
