/** Measures saving a checkpoint of the real size to a MinIO on this machine, and loading it, beside curl with the same bytes in turns. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { saveCheckpoint } from '../trainer/checkpoint/checkpoint.ts';
import { checkpointKey, TENSOR_FILES } from '../trainer/checkpoint/format.ts';
import { loadCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { median } from '../trainer/plan/median.ts';
import { fromTensorFiles } from '../trainer/train/tensor-files.ts';
import { type ObjectStore, startObjectStore } from '../test/harness/object-store.ts';
import { type CheckpointRunOptions, dd } from './checkpoint.ts';
import { benchState, seconds, stateAt } from './checkpoint-state.ts';

export type CheckpointStoreResult = {
  readonly resolution: number;
  readonly bytes: number;
  readonly iterations: number;
  readonly saveMegabytesPerSecond: number;
  readonly loadMegabytesPerSecond: number;
  /** `curl --aws-sigv4` with one file of as many bytes, there and back, and `dd conv=fsync` of them on the same disk. */
  readonly curlUploadMegabytesPerSecond: number;
  readonly curlDownloadMegabytesPerSecond: number;
  readonly ddWriteMegabytesPerSecond: number;
  /** Our throughput over curl's, median of the rounds' quotients. */
  readonly saveOverCurl: number;
  readonly loadOverCurl: number;
  /** Peak resident memory above what the state itself takes, while it is saved for the first time. */
  readonly extraBytesWhileSaving: number;
};

/** Full width; server and files live in the folder, which names the disk that is measured, and is left as it was. */
export async function measureCheckpointStore({ resolution, iterations, folder }: CheckpointRunOptions): Promise<CheckpointStoreResult> {
  const cleanUps: (() => unknown)[] = [];
  const scratch = await mkdtemp(join(resolve(folder), '.pggan-bench-checkpoint-'));
  process.env['TMPDIR'] = scratch;
  try {
    const { options, files, tensors, bytes } = benchState(resolution);
    const source = join(scratch, 'source');
    await writeFile(source, tensors);
    const server = await startObjectStore({ skip: unavailable, after: (cleanUp) => void cleanUps.push(cleanUp as () => unknown) }, 'minio');
    if (!server) throw new Error('MinIO could not be started');
    Object.assign(process.env, server.env);
    const store = openStore(`s3://${server.bucket}/run`, { s3: server.options });
    const rounds: Record<'save' | 'load' | 'up' | 'down' | 'write', number>[] = [];
    let extraBytesWhileSaving = 0;
    for (let round = 0; round < iterations; round++) {
      const up = await seconds(async () => curl(server, ['-T', source]));
      const before = process.resourceUsage().maxRSS;
      // Each round saves another checkpoint: one that its own process has saved already would be found, not saved again.
      const images = 1000 * (round + 1);
      const save = await seconds(() =>
        saveCheckpoint(store, { images, files, state: stateAt(images), logs: {}, time: new Date() }, async () => undefined),
      );
      if (round === 0) extraBytesWhileSaving = (process.resourceUsage().maxRSS - before) * 1024;
      const down = await seconds(async () => curl(server, ['-o', '/dev/null']));
      const load = await seconds(async () => {
        fromTensorFiles(options.shape, await loadCheckpoint(store, checkpointKey(images), {}), TENSOR_FILES);
      });
      const copy = join(scratch, 'copy');
      const write = dd(source, copy, 'conv=fsync');
      await rm(copy);
      rounds.push({ save, load, up, down, write });
    }
    const rate = (kind: keyof (typeof rounds)[number]): number => bytes / median(rounds.map((round) => round[kind])) / 1e6;
    return {
      resolution,
      bytes,
      iterations,
      saveMegabytesPerSecond: rate('save'),
      loadMegabytesPerSecond: rate('load'),
      curlUploadMegabytesPerSecond: rate('up'),
      curlDownloadMegabytesPerSecond: rate('down'),
      ddWriteMegabytesPerSecond: rate('write'),
      saveOverCurl: median(rounds.map(({ save, up }) => up / save)),
      loadOverCurl: median(rounds.map(({ load, down }) => down / load)),
      extraBytesWhileSaving,
    };
  } finally {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp();
    await rm(scratch, { recursive: true, force: true });
  }
}

function unavailable(reason?: string): never {
  throw new Error(reason);
}

function curl({ endpoint, bucket, credentials: { accessKey, secretKey } }: ObjectStore, args: readonly string[]): void {
  const common = ['-sS', '--fail-with-body', '--config', '-', '--aws-sigv4', 'aws:amz:us-east-1:s3', `${endpoint}/${bucket}/curl`];
  execFileSync('curl', [...args, ...common], { input: `user = "${accessKey}:${secretKey}"\n`, stdio: ['pipe', 'ignore', 'inherit'] });
}
