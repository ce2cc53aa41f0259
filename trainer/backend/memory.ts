/** How much this process holds: tensors of tfjs, native handles behind them, and resident memory. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { native } from './native.ts';

export type MemoryUse = {
  readonly tensors: number;
  /** Tensors that the addon holds, variables of eager programs included; undefined on other backends. */
  readonly nativeHandles: number | undefined;
  readonly residentBytes: number;
  /** The most that was ever resident in this process; undefined where the system does not tell. */
  readonly peakResidentBytes: number | undefined;
};

export function memoryUse(): MemoryUse {
  return {
    tensors: tf.memory().numTensors,
    nativeHandles: native()?.binding.getNumOfTensors(),
    residentBytes: process.memoryUsage.rss(),
    peakResidentBytes: peakResidentBytes(),
  };
}

function peakResidentBytes(): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
