/** The estimate of a phase's memory against what real processes took (`npm run bench -- memory --json`, two threads, no AMX). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largestMicrobatch, largestMinibatch, phaseMemoryBytes, type PhaseShape, wasmHeapBytes } from './memory.ts';
import { NETWORK_DEFAULTS, type NetworkOptions } from './run.ts';

const NETWORKS: Readonly<Record<'small' | 'middle' | 'full', NetworkOptions>> = {
  small: { ...NETWORK_DEFAULTS, fmapBase: 1024, fmapMax: 64, latentSize: 64 },
  middle: { ...NETWORK_DEFAULTS, fmapBase: 4096, fmapMax: 256, latentSize: 256 },
  full: NETWORK_DEFAULTS,
};

type Width = keyof typeof NETWORKS;
type Measured = readonly [
  width: Width,
  finalResolution: number,
  resolution: number,
  minibatch: number,
  type: 'fp32' | 'bf16',
  megabytes: number,
];

/** VmHWM of the process of each phase, from the checkpoint it began with to the one it ended with. */
const MEASURED: readonly Measured[] = [
  ['small', 4, 4, 64, 'fp32', 567],
  ['small', 8, 8, 64, 'fp32', 670],
  ['small', 16, 16, 16, 'fp32', 677],
  ['small', 16, 16, 64, 'fp32', 835],
  ['small', 32, 32, 16, 'fp32', 865],
  ['small', 64, 64, 16, 'bf16', 952],
  ['small', 128, 128, 4, 'fp32', 971],
  ['small', 32, 32, 64, 'bf16', 1094],
  ['small', 64, 64, 16, 'fp32', 1191],
  ['small', 128, 128, 16, 'bf16', 1239],
  ['small', 128, 128, 16, 'fp32', 1670],
  ['small', 256, 256, 8, 'fp32', 1794],
  ['small', 512, 512, 4, 'fp32', 1824],
  ['middle', 4, 4, 64, 'fp32', 824],
  ['middle', 8, 8, 16, 'bf16', 1000],
  ['middle', 256, 8, 16, 'fp32', 1139],
  ['middle', 16, 16, 16, 'fp32', 1325],
  ['middle', 64, 64, 4, 'bf16', 1534],
  ['middle', 64, 64, 8, 'fp32', 2249],
  ['full', 4, 4, 16, 'fp32', 1490],
  ['full', 8, 8, 16, 'fp32', 2214],
  ['full', 512, 4, 64, 'fp32', 2427],
  ['full', 16, 16, 4, 'bf16', 2730],
  ['full', 16, 16, 4, 'fp32', 2871],
  // On a later processor of the same make, where wide networks take less.
  ['full', 16, 16, 4, 'fp32', 2530],
  ['full', 32, 32, 4, 'fp32', 3142],
  ['full', 64, 64, 4, 'fp32', 4050],
  ['full', 512, 64, 4, 'bf16', 3787],
  ['full', 512, 128, 4, 'fp32', 5201],
  ['full', 512, 512, 4, 'bf16', 8118],
  ['full', 512, 512, 4, 'fp32', 11942],
];

const shapeOf = (width: Width, finalResolution: number, resolution: number, minibatch: number, type: 'fp32' | 'bf16'): PhaseShape => ({
  network: NETWORKS[width],
  finalResolution,
  resolution,
  minibatch,
  precision: type === 'fp32' ? 'Float32' : 'BFloat16Mixed',
});

for (const [width, finalResolution, resolution, minibatch, type, megabytes] of MEASURED) {
  test(`memory of ${resolution}x${resolution} of ${finalResolution}, ${width} networks, ${minibatch} images, ${type}: within 15% of ${megabytes} MB`, () => {
    const estimated = phaseMemoryBytes(shapeOf(width, finalResolution, resolution, minibatch, type)) / 1e6;
    assert(Math.abs(estimated / megabytes - 1) <= 0.15, `estimated ${estimated.toFixed(0)} MB, measured ${megabytes} MB`);
  });
}

/** The heap's size after a D and a G step on WebAssembly, float32. */
const HEAPS: readonly (readonly [width: Width, resolution: number, minibatch: number, megabytes: number])[] = [
  ['small', 8, 16, 60],
  ['small', 8, 64, 217],
  ['small', 16, 4, 73],
  ['small', 16, 16, 217],
  ['small', 32, 4, 217],
  ['small', 64, 8, 845],
  ['middle', 16, 16, 1054],
  ['full', 4, 4, 731],
];

for (const [width, resolution, minibatch, megabytes] of HEAPS) {
  test(`heap on WebAssembly of ${resolution}x${resolution}, ${width} networks, ${minibatch} images: within the fifth by which it grows`, () => {
    const estimated = wasmHeapBytes(shapeOf(width, resolution, resolution, minibatch, 'fp32')) / 1e6;
    assert(Math.abs(estimated / megabytes - 1) <= 0.2, `estimated ${estimated.toFixed(0)} MB, measured ${megabytes} MB`);
  });
}

test('the largest minibatch below the planned one is found in whole groups, and nothing where not even one image fits', () => {
  const phase = shapeOf('full', 128, 128, 16, 'fp32');
  const bytesOf = (minibatch: number): number => phaseMemoryBytes({ ...phase, minibatch });
  assert.equal(largestMinibatch(phase, bytesOf(12)), 12);
  assert.equal(largestMinibatch(phase, bytesOf(12) - 1), 8);
  assert.equal(largestMinibatch(phase, bytesOf(4) - 1), 3, 'fewer than a group are a group of their own');
  assert.equal(largestMinibatch(phase, bytesOf(1) - 1), undefined);
});

test('microbatches divide the minibatch into whole groups, and cost one more gradient', () => {
  const phase = shapeOf('full', 128, 128, 24, 'fp32');
  const bytesOf = (microbatch: number): number => phaseMemoryBytes({ ...phase, microbatch });
  assert.equal(largestMicrobatch(phase, bytesOf(12)), 12);
  assert.equal(largestMicrobatch(phase, bytesOf(12) - 1), 8);
  assert.equal(largestMicrobatch(phase, bytesOf(4) - 1), undefined, 'groups of 4 stay whole');
  // 4 bytes for each of the parameters that the reference prints for 128x128.
  assert.equal(bytesOf(12) - phaseMemoryBytes({ ...phase, minibatch: 12 }), 4 * (22_928_518 + 22_936_449));
  assert.equal(bytesOf(24), phaseMemoryBytes(phase), 'the whole minibatch in one pass is no accumulation');
});
