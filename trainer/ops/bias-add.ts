/** Adds a bias per channel, twice differentiable. */
import * as tf from '@tensorflow/tfjs';
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

// One pass over dy, where tfjs reduces a broadcast by a generic sum.
const sumOverChannel = nativeOp<'dy'>({
  name: 'PgganBiasAddGrad',
  run: (backend, { dy }) => backend.executeSingleOutput('BiasAddGrad', [floatType(), attribute.string('data_format', 'NHWC')], [dy]),
  saveInputs: ['dy'],
  gradient: (ddbias, [dy]) => ({ dy: () => tf.add(tf.zerosLike(dy!), ddbias) }),
});
