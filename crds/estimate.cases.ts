/** What a training step took, by the table of docs/performance.md ("The training step", `npm run bench -- step`), to hold the estimate of time to. */
import type { Precision } from './run.ts';

export type MeasuredStep = readonly [width: 'small' | 'full', resolution: number, precision: Precision, secondsPerKimg: number];

/** Of all rows, which had grey images, 16 per step, and this many threads. */
export const MEASURED_WITH = { minibatch: 16, threads: 2 } as const;

/**
 * Two AMD EPYC with avx512_bf16 and without AMX, in a traced graph without fade. On the second one (family 25) convolutions run at 0.4 of the speed
 * that they have on the first (family 26): the estimate lies between them.
 */
export const MEASURED_STEPS: readonly MeasuredStep[] = [
  ['small', 4, 'Float32', 0.316],
  ['small', 4, 'BFloat16Mixed', 0.464],
  ['small', 8, 'Float32', 1.09],
  ['small', 8, 'BFloat16Mixed', 0.683],
  ['small', 16, 'Float32', 2.27],
  ['small', 16, 'BFloat16Mixed', 1.62],
  ['small', 32, 'BFloat16Mixed', 5.09],
  ['small', 64, 'Float32', 13.2],
  ['small', 64, 'BFloat16Mixed', 8.99],
  ['small', 128, 'Float32', 45.6],
  ['small', 128, 'BFloat16Mixed', 31.3],
  ['full', 4, 'Float32', 5.27],
  ['full', 4, 'BFloat16Mixed', 5.44],
  ['full', 8, 'Float32', 28.4],
  ['full', 8, 'BFloat16Mixed', 35.7],
  ['full', 16, 'Float32', 93.3],
  ['full', 16, 'BFloat16Mixed', 58.6],
  // The second processor.
  ['small', 32, 'Float32', 15.4],
  ['small', 32, 'BFloat16Mixed', 10.6],
  ['small', 64, 'Float32', 31],
  ['small', 64, 'BFloat16Mixed', 21.2],
  ['full', 16, 'Float32', 214],
  ['full', 16, 'BFloat16Mixed', 124],
  ['full', 32, 'Float32', 859],
  ['full', 32, 'BFloat16Mixed', 460],
  ['full', 64, 'Float32', 1662],
  ['full', 64, 'BFloat16Mixed', 1000],
];
