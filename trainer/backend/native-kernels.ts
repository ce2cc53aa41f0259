/** Kernels of the native backend that tfjs-node runs by a slower op than TensorFlow has. */
import * as tf from '@tensorflow/tfjs';
import { attribute, DTYPE, type NativeBackend } from './native.ts';

/**
 * Products of plain matrices by MatMul: tfjs-node has BatchMatMulV2 for all, which takes 1.5 to 2.7 times as long on the sizes of dense
 * layers and fused kernels, and which a graph cannot join with the bias and the activation that follow. Derivatives are products, too.
 */
export function registerNativeKernels(): void {
  const batched = tf.getKernel(tf.BatchMatMul, 'tensorflow');
  if (!batched || batched.kernelFunc === matMul) return;
  batchMatMul = batched.kernelFunc;
  // Without the second one tfjs warns of the first.
  tf.unregisterKernel(tf.BatchMatMul, 'tensorflow');
  tf.registerKernel({ ...batched, kernelFunc: matMul });
}

let batchMatMul: tf.KernelFunc | undefined;

const matMul: tf.KernelFunc = (call) => {
  const { a, b } = call.inputs as unknown as Readonly<Record<'a' | 'b', tf.TensorInfo>>;
  const isPlain = a.shape.length === 2 && b.shape.length === 2 && a.dtype === 'float32' && b.dtype === 'float32';
  if (!isPlain) return batchMatMul!(call);
  const { transposeA, transposeB } = call.attrs as unknown as tf.BatchMatMulAttrs;
  const attributes = [
    attribute.type('T', DTYPE.float32),
    attribute.bool('transpose_a', transposeA),
    attribute.bool('transpose_b', transposeB),
  ];
  return (call.backend as unknown as NativeBackend).executeSingleOutput('MatMul', attributes, [a, b]);
};
