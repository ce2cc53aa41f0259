/** Saves checkpoints in a thread of its own: the caller gives the tensors away and trains on. */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { PgganError } from '../../crds/errors.ts';
import type { Waiting } from '../../crds/progress.ts';
import type { CommittedCheckpoint } from './format.ts';
import { TENSOR_FILES } from './format.ts';
import type { Failure, FromWorker, SaveJob, ToWorker, WorkerInput } from './saver-worker.ts';

/** What became of a save. */
export type SaveEnd =
  | { readonly kind: 'saved' }
  | { readonly kind: 'abandoned' }
  /** The store could not take the last checkpoint; it waits in this folder for the next process. */
  | { readonly kind: 'staged'; readonly folder: string; readonly reason: string };

export type SaverEvents = {
  /** A checkpoint exists. */
  readonly committed: (checkpoint: CommittedCheckpoint) => void;
  /** What the save in flight waits for; undefined once it is over. */
  readonly waiting: (reason: Waiting | undefined) => void;
  readonly remark: (text: string) => void;
};

export interface Saver {
  readonly busy: boolean;
  /** Throws what went wrong since: a save that failed for good, or the run taken by another process (RunOwned). Costs nothing. */
  check(): void;
  /**
   * Saves a checkpoint, and then the logs, and applies retention. The tensors are moved: their arrays are empty afterwards. One at a time,
   * but the last may be asked for while another is in flight, after `stop()`.
   */
  save(job: SaveJob): Promise<SaveEnd>;
  /** Ends all patience: the save in flight goes through now, or is given up. */
  stop(): void;
  /** Ends the thread once nothing is in flight. */
  close(): Promise<void>;
}

type Pending = { readonly resolve: (end: SaveEnd) => void; readonly reject: (error: Error) => void };

export function startSaver(workerData: WorkerInput, events: SaverEvents): Saver {
  // The worker's file has this file's extension: .ts as it is developed, .js as it is built.
  const file = new URL(`./saver-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(file, { workerData, name: 'saver' });
  const pending: Pending[] = [];
  let broken: Error | undefined;
  let closing = false;

  /** Saves end in the order in which they were asked for. */
  const end = (settle: (one: Pending) => void): void => {
    const one = pending.shift();
    if (one) settle(one);
  };
  const breakDown = (error: Error): void => {
    broken ??= error;
    while (pending.length > 0) end(({ reject }) => reject(error));
  };
  worker.on('message', (message: FromWorker) => {
    switch (message.kind) {
      case 'committed':
        return events.committed(message.checkpoint);
      case 'done':
        return end(({ resolve }) => resolve({ kind: 'saved' }));
      case 'staged':
        return end(({ resolve }) => resolve({ kind: 'staged', folder: message.folder, reason: message.failure.message }));
      case 'abandoned':
        return end(({ resolve }) => resolve({ kind: 'abandoned' }));
      case 'failed':
        broken ??= errorOf(message.failure);
        return end(({ reject }) => reject(errorOf(message.failure)));
      case 'waiting':
        return events.waiting(message.reason);
      case 'remark':
        return events.remark(message.text);
      case 'fenced':
        broken ??= errorOf(message.failure);
        return;
    }
  });
  worker.on('error', breakDown);
  worker.on('exit', () => {
    if (!closing) breakDown(new Error('the thread that saves checkpoints has ended'));
  });
  const send = (message: ToWorker, moved: readonly ArrayBuffer[] = []): void => worker.postMessage(message, [...moved]);

  return {
    get busy() {
      return pending.length > 0;
    },
    check() {
      if (broken) throw broken;
    },
    save(job) {
      if (pending.length > 0 && !job.last) throw new Error('a checkpoint is being saved already');
      return new Promise((resolve, reject) => {
        if (broken) return reject(broken);
        pending.push({ resolve, reject });
        send({ kind: 'save', job }, buffersOf(job));
      });
    },
    stop: () => send({ kind: 'stop' }),
    async close() {
      closing = true;
      if (worker.threadId < 0) return;
      const ended = once(worker, 'exit');
      send({ kind: 'close' });
      await ended;
    },
  };
}

function buffersOf({ content }: SaveJob): readonly ArrayBuffer[] {
  const all = TENSOR_FILES.flatMap((name) => [...content.files[name].tensors.values()].map(({ data }) => data.buffer));
  return [...new Set(all)].filter((buffer) => buffer instanceof ArrayBuffer);
}

function errorOf({ code, message, stack }: Failure): Error {
  if (code !== undefined) return new PgganError(code, message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
