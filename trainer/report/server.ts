/** The trainer's HTTP server, in a worker thread: it answers while a training step blocks the main thread. */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { PgganError } from '../../crds/errors.ts';
import { MAX_PROGRESS_BYTES, type Progress } from '../../crds/progress.ts';
import type { FromWorker, ToWorker, WorkerInput } from './server-worker.ts';

export type ServerOptions = {
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
  /** The watchdog: /healthz fails when no step has finished for this long. */
  readonly deadlineSeconds: number;
};

export type ReportServer = {
  readonly port: number;
  /** Replaces what /progress and /metrics say. */
  update(progress: Progress): void;
  /** A step has finished. Costs one write to shared memory. */
  step(): void;
  close(): Promise<void>;
};

/**
 * Serves /progress (JSON), /metrics (Prometheus) and /healthz, to GET and HEAD only. The server does not keep the process alive.
 * @throws {PgganError} OptionsInvalid where the port cannot be had
 */
export async function startServer(options: ServerOptions): Promise<ReportServer> {
  const heartbeat = new SharedArrayBuffer(8);
  const beat = new BigInt64Array(heartbeat);
  const step = (): void => {
    Atomics.store(beat, 0, process.hrtime.bigint());
  };
  step();

  // The worker's file has this file's extension: .ts as it is developed, .js as it is built.
  const file = new URL(`./server-worker${extname(import.meta.url)}`, import.meta.url);
  const workerData: WorkerInput = { port: options.port, host: options.host, deadlineSeconds: options.deadlineSeconds, heartbeat };
  const worker = new Worker(file, { workerData, name: 'report-server' });
  const [answer] = (await once(worker, 'message')) as [FromWorker];
  if (answer.kind === 'failed') {
    await worker.terminate();
    throw new PgganError('OptionsInvalid', `progress cannot be served on ${options.host}:${options.port}: ${answer.message}`);
  }
  worker.on('error', (error) => process.stderr.write(`progress is no longer served: ${error.message}\n`));
  worker.unref();

  const send = (message: ToWorker): void => worker.postMessage(message, []);
  return {
    port: answer.port,
    update: (progress) => send({ kind: 'progress', text: progressText(progress) }),
    step,
    async close() {
      const ended = once(worker, 'exit');
      worker.ref();
      send({ kind: 'close' });
      await ended;
    },
  };
}

/** The document as JSON within its limit; warnings are what it can do without. */
function progressText(progress: Progress): string {
  const text = JSON.stringify(progress);
  if (Buffer.byteLength(text) <= MAX_PROGRESS_BYTES || progress.kind !== 'training') return text;
  const { warnings: _, ...rest } = progress;
  return JSON.stringify(rest);
}
