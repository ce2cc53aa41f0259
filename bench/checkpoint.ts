/** Measures saving and loading a checkpoint of the real size, fsync and digests included, beside dd with fsync of the same bytes in turns. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { saveCheckpoint } from '../trainer/checkpoint/checkpoint.ts';
import { TENSOR_FILES } from '../trainer/checkpoint/format.ts';
import { loadCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { median } from '../trainer/plan/median.ts';
import { fromTensorFiles } from '../trainer/train/tensor-files.ts';
import { benchState, seconds, stateAt } from './checkpoint-state.ts';

export type CheckpointRunOptions = { readonly resolution: number; readonly iterations: number; readonly folder: string };

export type CheckpointResult = {
  readonly resolution: number;
  readonly bytes: number;
  readonly iterations: number;
  readonly saveMegabytesPerSecond: number;
  readonly loadMegabytesPerSecond: number;
  /** `dd conv=fsync` of as many bytes; and reading them back by dd. The files are in the page cache when they are read, for both. */
  readonly ddWriteMegabytesPerSecond: number;
  readonly ddReadMegabytesPerSecond: number;
  /** Our time over dd's, median of the rounds' quotients. */
  readonly saveOverDd: number;
  readonly loadOverDd: number;
};

/** Full width; the folder names the disk that is measured, and is left as it was. */
export async function measureCheckpoint({ resolution, iterations, folder }: CheckpointRunOptions): Promise<CheckpointResult> {
  const scratch = await mkdtemp(join(resolve(folder), '.pggan-bench-checkpoint-'));
  try {
    const { options, files, tensors, bytes } = benchState(resolution);
    const source = join(scratch, 'source');
    await writeFile(source, tensors);
    const rounds: Record<'save' | 'load' | 'write' | 'read', number>[] = [];
    for (let round = 0; round < iterations; round++) {
      const store = openStore(`file://${join(scratch, `run${round}`)}`);
      const copy = join(scratch, 'copy');
      const write = dd(source, copy, 'conv=fsync');
      const save = await seconds(async () => {
        const state = stateAt(1000);
        return saveCheckpoint(store, { images: 1000, files, state, logs: {} }, async () => undefined);
      });
      const read = dd(copy, '/dev/null');
      const load = await seconds(async () => {
        const loaded = await loadCheckpoint(store, 'checkpoints/000000001000/', {});
        fromTensorFiles(options.shape, loaded, TENSOR_FILES);
      });
      rounds.push({ save, load, write, read });
      await rm(join(scratch, `run${round}`), { recursive: true });
      await rm(copy);
    }
    const rate = (kind: keyof (typeof rounds)[number]): number => bytes / median(rounds.map((round) => round[kind])) / 1e6;
    return {
      resolution,
      bytes,
      iterations,
      saveMegabytesPerSecond: rate('save'),
      loadMegabytesPerSecond: rate('load'),
      ddWriteMegabytesPerSecond: rate('write'),
      ddReadMegabytesPerSecond: rate('read'),
      saveOverDd: median(rounds.map(({ save, write }) => save / write)),
      loadOverDd: median(rounds.map(({ load, read }) => load / read)),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export function dd(from: string, to: string, ...more: readonly string[]): number {
  const start = performance.now();
  execFileSync('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'status=none', ...more]);
  return (performance.now() - start) / 1000;
}
