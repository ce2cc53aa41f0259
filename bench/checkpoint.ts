/** Measures a checkpoint of the real size: how long training stands still, saving and loading beside dd of the same bytes, and the memory. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TENSOR_FILES } from '../trainer/checkpoint/format.ts';
import { loadNewestCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import type { Store } from '../trainer/checkpoint/store.ts';
import { fromTensorFiles } from '../trainer/train/tensor-files.ts';
import { stepOptions } from './cases.ts';
import { median } from '../trainer/plan/median.ts';
import type { SaveAnswer, SaveRequest } from './checkpoint-worker.ts';
import { startWorker } from './child.ts';

export type CheckpointRunOptions = {
  readonly resolution: number;
  readonly iterations: number;
  readonly folder: string;
  readonly threads: number;
};

export type CheckpointResult = {
  readonly resolution: number;
  readonly bytes: number;
  readonly iterations: number;
  /** Training stands still for so long: the median, and the longest. */
  readonly stallSeconds: number;
  readonly longestStallSeconds: number;
  readonly stallCpuSeconds: number;
  readonly saveSeconds: number;
  readonly loadSeconds: number;
  /** Resident memory during a save above what it was before, at most. */
  readonly extraBytes: number;
  /** `dd conv=fsync` of as many bytes into `folder`, and reading them back by dd; they are in the page cache by then, for both. */
  readonly ddWriteSeconds: number;
  readonly ddReadSeconds: number;
  /** Our time over dd's, median of the rounds' quotients. */
  readonly saveOverDd: number;
  readonly loadOverDd: number;
};

type Round = SaveAnswer & { readonly loadSeconds: number; readonly ddWriteSeconds: number; readonly ddReadSeconds: number };

/** Full width; the folder names the disk that is measured, and is left as it was. */
export async function measureCheckpoint(options: CheckpointRunOptions): Promise<CheckpointResult> {
  const { resolution, iterations } = options;
  const scratch = await mkdtemp(join(resolve(options.folder), '.pggan-bench-checkpoint-'));
  const uri = pathToFileURL(join(scratch, 'run')).href;
  const saver = startWorker('the run that saves', 'checkpoint-worker.ts');
  const save = (images: number): Promise<SaveAnswer> =>
    saver.ask({ resolution, threads: options.threads, uri, images } satisfies SaveRequest);
  try {
    // The first save draws pages and plans the reads, once in the life of a process; its files are what dd copies.
    await save(1000);
    const source = join(scratch, 'source');
    const bytes = await gather(openStore(uri), source);
    const rounds: Round[] = [];
    for (let round = 1; round <= iterations; round++) {
      const ddWriteSeconds = dd(source, `${source}-copy`, 'conv=fsync');
      const saved = await save(1000 + round);
      const ddReadSeconds = dd(`${source}-copy`, '/dev/null');
      rounds.push({ ...saved, loadSeconds: await load(openStore(uri), resolution), ddWriteSeconds, ddReadSeconds });
    }
    const middle = (of: (round: Round) => number): number => median(rounds.map(of));
    return {
      resolution,
      bytes,
      iterations,
      stallSeconds: middle((round) => round.stallSeconds),
      longestStallSeconds: Math.max(...rounds.map((round) => round.stallSeconds)),
      stallCpuSeconds: middle((round) => round.stallCpuSeconds),
      saveSeconds: middle((round) => round.saveSeconds),
      loadSeconds: middle((round) => round.loadSeconds),
      extraBytes: Math.max(...rounds.map((round) => round.extraBytes)),
      ddWriteSeconds: middle((round) => round.ddWriteSeconds),
      ddReadSeconds: middle((round) => round.ddReadSeconds),
      saveOverDd: middle((round) => round.saveSeconds / round.ddWriteSeconds),
      loadOverDd: middle((round) => round.loadSeconds / round.ddReadSeconds),
    };
  } finally {
    saver.kill();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Puts the files of the checkpoint into one, and returns its size. */
async function gather(store: Store, path: string): Promise<number> {
  const entries = await store.list('checkpoints/');
  const files = await Promise.all(entries.map(({ key }) => store.read(key)));
  await writeFile(
    path,
    files.filter((file) => file !== undefined),
  );
  return entries.reduce((sum, { size }) => sum + size, 0);
}

async function load(store: Store, resolution: number): Promise<number> {
  const start = performance.now();
  const found = await loadNewestCheckpoint(store);
  if (!found) throw new Error(`there is no checkpoint in ${store.uri}`);
  fromTensorFiles(stepOptions({ width: 'full', resolution, precision: 'Float32' }).shape, found.checkpoint, TENSOR_FILES);
  return (performance.now() - start) / 1000;
}

export function dd(from: string, to: string, ...more: readonly string[]): number {
  const start = performance.now();
  execFileSync('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'status=none', ...more]);
  return (performance.now() - start) / 1000;
}
