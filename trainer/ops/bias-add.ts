/** Adds a bias per channel, twice differentiable. */
import * as tf from '@tensorflow/tfjs';
import { fromBFloat16 } from '../backend/bf16.ts';
import { attribute } from '../backend/native.ts';
import { floatType, hasNativeOps, nativeOp } from './native-op.ts';

/** x [N, ..., C] + bias [C]. */
export function biasAdd<T extends tf.Tensor>(x: T, bias: tf.Tensor): T {
  return (hasNativeOps() ? nativeBiasAdd({ x, bias }) : tf.add(x, bias)) as T;
}

const nativeBiasAdd = nativeOp<'x' | 'bias'>({
  name: 'PgganBiasAdd',
  run: (backend, { x, bias }) => backend.executeSingleOutput('BiasAdd', [floatType(), attribute.string('data_format', 'NHWC')], [x, bias]),
  gradient: (dy) => ({ x: () => tf.clone(dy), bias: () => sumOverChannel({ dy }) }),
});

// One pass over dy, where tfjs reduces a broadcast by a generic sum. In float32: TensorFlow's kernel for bfloat16 adds in bfloat16, where a sum
// stands still once it is 256 times as large as what is added, so that a bias of a 32x32 layer would learn from a part of its gradient.
const sumOverChannel = nativeOp<'dy'>({
  name: 'PgganBiasAddGrad',
  run: (backend, { dy }) =>
    tf.tidy(() => backend.executeSingleOutput('BiasAddGrad', [floatType(), attribute.string('data_format', 'NHWC')], [fromBFloat16(dy)])),
  saveInputs: ['dy'],
  gradient: (ddbias, [dy]) => ({ dy: () => tf.add(tf.zerosLike(dy!), ddbias) }),
});
