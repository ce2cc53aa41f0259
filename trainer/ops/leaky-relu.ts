/** Leaky ReLU with slope 0.2 for x < 0 (Karras et al. 2018, appendix A.1), twice differentiable. */
import * as tf from '@tensorflow/tfjs';
import { fromBFloat16, isBFloat16, toBFloat16 } from '../backend/bf16.ts';
import { attribute } from '../backend/native.ts';
import { floatType, hasNativeOps, nativeOp } from './native-op.ts';

const SLOPE = 0.2;

/** max(x, 0.2 x) for a tensor of any shape. */
export function leakyRelu<T extends tf.Tensor>(x: T): T {
  return (hasNativeOps() ? nativeLeakyRelu({ x }) : plainLeakyRelu(x)) as T;
}

// The gradient reads the sign of the *output*, which is that of the input, so neither a mask nor the pre-activation is kept alive.
const nativeLeakyRelu = nativeOp<'x'>({
  name: 'PgganLeakyRelu',
  run: (backend, { x }) => backend.executeSingleOutput('LeakyRelu', [floatType(), attribute.float('alpha', SLOPE)], [x]),
  saveOutput: true,
  gradient: (dy, [y]) => ({ x: () => slopeTimes({ dy, y: y! }) }),
});

// dy times 1 or 0.2: linear in dy, and constant in y wherever it has a derivative.
const slopeTimes: (inputs: { readonly dy: tf.Tensor; readonly y: tf.Tensor }) => tf.Tensor = nativeOp<'dy' | 'y'>({
  name: 'PgganLeakyReluGrad',
  // TensorFlow's kernel for bfloat16 is ten times slower than the one for float32: two conversions are cheaper.
  run: (backend, { dy, y }) =>
    tf.tidy(() => {
      const attributes = [floatType(), attribute.float('alpha', SLOPE)];
      const dx = backend.executeSingleOutput('LeakyReluGrad', attributes, [fromBFloat16(dy), fromBFloat16(y)]);
      return isBFloat16(dy) ? toBFloat16(dx) : dx;
    }),
  saveInputs: ['y'],
  gradient: (ddy, [y]) => ({ dy: () => slopeTimes({ dy: ddy, y: y! }), y: () => tf.zerosLike(y!) }),
});

// tfjs's own leakyRelu has no second derivative; relu and its mask have.
const plainLeakyRelu = (x: tf.Tensor): tf.Tensor => tf.add(tf.mul(x, SLOPE), tf.mul(tf.relu(x), 1 - SLOPE));
