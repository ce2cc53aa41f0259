/** How fast this machine convolves at best, on the backend that trains: the yardstick of a step. */
import * as tf from '@tensorflow/tfjs';
import type { Precision } from '../crds/run.ts';
import { prepareBackend } from '../trainer/backend/backend.ts';
import { toBFloat16 } from '../trainer/backend/bf16.ts';
import { serve } from './child.ts';

export type PeakRequest = {
  readonly threads: number;
  readonly precision: Precision;
  /** Only the convolution of this name; all without. */
  readonly only?: string;
  readonly repeats: number;
};
export type PeakAnswer = { readonly name: string; readonly gflops: number };

/** 3x3, equal channels in and out, minibatch 16: the heaviest layers of the full-width network. */
const CONVOLUTIONS = [
  { size: 8, channels: 512 },
  { size: 16, channels: 512 },
  { size: 32, channels: 512 },
  { size: 64, channels: 256 },
] as const;
const MINIBATCH = 16;
const DIRECTIONS = ['forward', 'backward-input', 'backward-filter'] as const;

await serve(async ({ threads, precision, only, repeats }: PeakRequest): Promise<PeakAnswer> => {
  await prepareBackend({ threads, want: 'native' });
  const results = CONVOLUTIONS.flatMap(({ size, channels }) =>
    DIRECTIONS.map((direction) => ({ name: `3x3 ${channels}->${channels} at ${size}x${size} ${direction}`, size, channels, direction })),
  )
    .filter(({ name }) => only === undefined || name === only)
    .map((each) => ({ name: each.name, gflops: measure(each.size, each.channels, each.direction, precision, repeats) }));
  return results.reduce((best, each) => (each.gflops > best.gflops ? each : best), { name: 'none', gflops: 0 });
});

/** The best of `repeats`, after one that is not counted. */
function measure(size: number, channels: number, direction: (typeof DIRECTIONS)[number], precision: Precision, repeats: number): number {
  return tf.tidy(() => {
    const x = inPrecision(precision, tf.randomNormal<tf.Rank.R4>([MINIBATCH, size, size, channels]));
    const kernel = inPrecision(precision, tf.randomNormal<tf.Rank.R4>([3, 3, channels, channels]));
    const run = (): tf.Tensor => {
      switch (direction) {
        case 'forward':
          return tf.conv2d(x, kernel, 1, 'same');
        case 'backward-input':
          return tf.conv2dTranspose(x, kernel, x.shape, 1, 'same');
        case 'backward-filter': {
          const how = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC', filterShape: kernel.shape };
          return tf.engine().runKernel<tf.Tensor>('Conv2DBackpropFilter', { x, dy: x }, how);
        }
      }
    };
    const seconds = Array.from({ length: repeats + 1 }, () => {
      const start = performance.now();
      run().dispose();
      return (performance.now() - start) / 1000;
    }).slice(1);
    return (2 * 9 * channels ** 2 * size ** 2 * MINIBATCH) / Math.min(...seconds) / 1e9;
  });
}

function inPrecision<T extends tf.Tensor>(precision: Precision, x: T): T {
  return precision === 'BFloat16Mixed' ? toBFloat16(x) : x;
}
