/** Kernels that the wasm backend of tfjs 4.22 lacks and training needs. */
import * as tf from '@tensorflow/tfjs';

export function registerWasmKernels(): void {
  if (tf.getKernel(tf.Conv2DBackpropFilter, 'wasm')) return;
  tf.registerKernel({
    kernelName: tf.Conv2DBackpropFilter,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const { strides, pad, dataFormat, dimRoundingMode, filterShape } = attrs as unknown as tf.Conv2DBackpropFilterAttrs;
      if (dataFormat !== 'NHWC') throw new Error(`the gradient of a filter is for NHWC images on wasm, not ${dataFormat}`);
      const { x, dy } = inputs as unknown as { readonly x: tf.Tensor4D; readonly dy: tf.Tensor4D };
      return filterGradient(x, dy, tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode));
    },
  });
}

/** The gradient of each tap of the filter is one matMul: x, shifted by the tap, against dy. [kh, kw, in, out]. */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor4D {
  const {
    batchSize: n,
    outHeight: h,
    outWidth: w,
    inChannels,
    outChannels,
    strideHeight,
    strideWidth,
    filterHeight,
    filterWidth,
    padInfo,
  } = info;
  return tf.tidy(() => {
    const padded = tf.pad(x, [
      [0, 0],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
      [0, 0],
    ]);
    const flatDy = tf.reshape(dy, [n * h * w, outChannels]);
    const taps = Array.from({ length: filterHeight * filterWidth }, (_, tap) => {
      const [top, left] = [Math.floor(tap / filterWidth), tap % filterWidth];
      const end = [n, top + (h - 1) * strideHeight + 1, left + (w - 1) * strideWidth + 1, inChannels];
      const shifted = tf.stridedSlice(padded, [0, top, left, 0], end, [1, strideHeight, strideWidth, 1]);
      return tf.matMul(tf.reshape(shifted, [n * h * w, inChannels]), flatDy, true);
    });
    return tf.reshape(tf.stack(taps), [filterHeight, filterWidth, inChannels, outChannels]);
  });
}
