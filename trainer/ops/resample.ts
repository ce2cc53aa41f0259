/** Nearest-neighbour upscaling and box-mean downscaling by two: each is the other's gradient, up to a factor, any number of times. */
import * as tf from '@tensorflow/tfjs';
import { attribute } from '../backend/native.ts';
import { floatType, hasNativeOps, nativeOp } from './native-op.ts';

/** Repeats each pixel: [N, H, W, C] -> [N, 2H, 2W, C]. */
export function upscale2x(x: tf.Tensor4D): tf.Tensor4D {
  return (hasNativeOps() ? nativeUpscale({ x }) : plainUpscale(x)) as tf.Tensor4D;
}

/** Mean of each 2x2 block: [N, 2H, 2W, C] -> [N, H, W, C]. */
export function downscale2x(x: tf.Tensor4D): tf.Tensor4D {
  return (hasNativeOps() ? nativeDownscale({ x }) : plainDownscale(x)) as tf.Tensor4D;
}

const nativeUpscale = nativeOp<'x'>({
  name: 'PgganUpscale2x',
  run: (backend, { x }) => {
    const [, height, width] = x.shape as [number, number, number, number];
    const size = tf.tensor1d([2 * height, 2 * width], 'int32');
    const flags = [attribute.bool('align_corners', false), attribute.bool('half_pixel_centers', false)];
    const y = backend.executeSingleOutput('ResizeNearestNeighbor', [floatType(), ...flags], [x, size]);
    size.dispose();
    return y;
  },
  gradient: (dy) => ({ x: () => tf.mul(downscale2x(dy as tf.Tensor4D), 4) }),
});

const nativeDownscale = nativeOp<'x'>({
  name: 'PgganDownscale2x',
  run: (backend, { x }) => {
    const window = [attribute.int('ksize', [1, 2, 2, 1]), attribute.int('strides', [1, 2, 2, 1])];
    const layout = [attribute.string('padding', 'VALID'), attribute.string('data_format', 'NHWC')];
    return backend.executeSingleOutput('AvgPool', [floatType(), ...window, ...layout], [x]);
  },
  gradient: (dy) => ({ x: () => tf.mul(upscale2x(dy as tf.Tensor4D), 0.25) }),
});

// tfjs has no second derivative of resizing and pooling, but has of concatenation and means.
function plainUpscale(x: tf.Tensor4D): tf.Tensor4D {
  const [n, height, width, channels] = x.shape;
  const row = x.reshape([n * height, 1, width * channels]);
  const pixel = tf.concat([row, row], 1).reshape([n * 2 * height * width, 1, channels]);
  return tf.concat([pixel, pixel], 1).reshape([n, 2 * height, 2 * width, channels]);
}

function plainDownscale(x: tf.Tensor4D): tf.Tensor4D {
  const [n, height, width, channels] = x.shape;
  const rows = tf.mean(x.reshape([(n * height) / 2, 2, width * channels]), 1);
  return tf.mean(rows.reshape([(n * height * width) / 4, 2, channels]), 1).reshape([n, height / 2, width / 2, channels]);
}
