/** Measures saving and loading a checkpoint of the real size, fsync and digests included, beside dd with fsync of the same bytes in turns. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { saveCheckpoint } from '../trainer/checkpoint/checkpoint.ts';
import { type CheckpointState, TENSOR_FILES } from '../trainer/checkpoint/format.ts';
import { loadCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { createRandom } from '../trainer/train/random.ts';
import { initialValues } from '../trainer/train/session.ts';
import { fromTensorFiles, toTensorFiles } from '../trainer/train/tensor-files.ts';
import { stepOptions } from './cases.ts';
import { median } from '../trainer/plan/median.ts';

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
    const options = stepOptions({ width: 'full', resolution, precision: 'Float32' });
    const files = toTensorFiles(options.shape, distinctValues(options));
    const tensors = TENSOR_FILES.flatMap((name) => [...files[name].tensors.values()].map(({ data }) => data));
    const bytes = tensors.reduce((sum, data) => sum + data.byteLength, 0);
    const source = join(scratch, 'source');
    await writeFile(source, tensors);
    const rounds: Record<'save' | 'load' | 'write' | 'read', number>[] = [];
    for (let round = 0; round < iterations; round++) {
      const store = openStore(`file://${join(scratch, `run${round}`)}`);
      const copy = join(scratch, 'copy');
      const write = dd(source, copy, 'conv=fsync');
      const save = await seconds(async () => {
        const state = stateAt(1000);
        return saveCheckpoint(store, { images: 1000, files, state, logs: {}, time: new Date() }, async () => undefined);
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

/** Moments are as incompressible as weights, since trained ones are. */
function distinctValues(options: Parameters<typeof initialValues>[0]): ReadonlyMap<string, Float32Array> {
  const values = initialValues(options, createRandom(1));
  const weights = (name: string): Float32Array | undefined => values.get(name.replace(/^adam_[mv]\//, ''));
  return new Map([...values].map(([name, value]) => [name, name.startsWith('adam_') ? (weights(name) ?? value).map((x) => x * x) : value]));
}

function dd(from: string, to: string, ...more: readonly string[]): number {
  const start = performance.now();
  execFileSync('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'status=none', ...more]);
  return (performance.now() - start) / 1000;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function stateAt(images: number): CheckpointState {
  return {
    images,
    imagesAtIterationStart: images,
    repeatIndex: 0,
    previousLod: 0,
    adamStep: { generator: 1, discriminator: 1 },
    tick: 0,
    imagesAtTickStart: 0,
    tickSums: {},
    secondsTrained: 0,
    secondsAtTickStart: 0,
    nextSnapshots: {},
    attempt: 1,
    environment: {},
  };
}
