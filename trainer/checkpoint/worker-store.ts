/** A store whose verbs run in a thread of their own: transfers go on while a training step blocks the main thread. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { PgganError } from '../../crds/errors.ts';
import { type OpenOptions, openStore } from './open-store.ts';
import type { Condition, Store } from './store.ts';
import type { Answer, Failure, Request, Verb, WorkerInput } from './store-worker.ts';

export type WorkerStore = Store & {
  /** Ends the thread once what was asked for is done. A thread that is not closed does not keep the process alive. */
  close(): Promise<void>;
};

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/**
 * The store of `openStore(uri, options)`, served by a worker thread. What it survives: a main thread that is blocked, however long (a verb
 * that has been called is carried out, retries included; its promise settles when the main thread looks again), and the death of the
 * thread itself (what was asked for is StoreUnavailable, the next verb starts a new thread).
 *
 * Bytes are not copied on the way where they can be shared: parts in a SharedArrayBuffer are handed over as they are and must not change
 * until the write has settled; all other parts are copied before `write` returns its promise, and may change at once. What is read is moved,
 * not copied.
 * @throws {PgganError} as openStore does
 */
export function workerStore(uri: string, options: OpenOptions = {}): WorkerStore {
  const { uri: rooted } = openStore(uri, options);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let calls = 0;

  const settle = (id: number, settleOne: (one: Waiting) => void): void => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker?.unref();
    if (one) settleOne(one);
  };
  const start = (): Worker => {
    // The worker's file has this file's extension: .ts as it is developed, .js as it is built.
    const file = new URL(`./store-worker${extname(import.meta.url)}`, import.meta.url);
    const workerData: WorkerInput = { uri, options };
    const started = new Worker(file, { workerData, name: 'store' });
    let reason = 'it ended';
    started.on('message', (answer: Answer) =>
      settle(answer.id, ({ resolve, reject }) => (answer.kind === 'done' ? resolve(answer.value) : reject(errorOf(answer)))),
    );
    started.on('error', (error) => (reason = error.message));
    started.on('exit', () => {
      worker = undefined;
      const lost = new PgganError('StoreUnavailable', `the thread that serves ${rooted} is gone (${reason}): the next call starts another`);
      for (const id of waiting.keys()) settle(id, ({ reject }) => reject(lost));
    });
    return started;
  };
  const call = <Result>(verb: Verb): Promise<Result> => {
    worker ??= start();
    worker.ref();
    const id = calls++;
    const request: Request = { id, verb };
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      worker?.postMessage(request, []);
    });
  };

  return {
    uri: rooted,
    list: (prefix) => call({ kind: 'list', prefix }),
    head: (key) => call({ kind: 'head', key }),
    async read(key) {
      const bytes = await call<Uint8Array<ArrayBuffer> | undefined>({ kind: 'read', key });
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    async readRange(key, start, end) {
      const bytes = await call<Uint8Array<ArrayBuffer> | undefined>({ kind: 'readRange', key, start, end });
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    write: (key, parts, condition?: Condition) => call({ kind: 'write', key, parts: shareable(parts), condition }),
    upload: (key, file, condition) => call({ kind: 'upload', key, file, condition }),
    download: (key, file) => call({ kind: 'download', key, file }),
    remove: (key) => call({ kind: 'remove', key }),
    async close() {
      const closing = worker;
      if (!closing) return;
      closing.ref();
      const ended = new Promise((resolve) => closing.once('exit', resolve));
      closing.postMessage({ id: -1, verb: { kind: 'close' } } satisfies Request, []);
      await ended;
    },
  };
}

/** The parts as views of shared memory. Cloning a view would clone all of the buffer behind it, so what is not shared yet is gathered first. */
function shareable(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const bytes = parts.reduce((sum, part) => sum + (isShared(part) ? 0 : part.byteLength), 0);
  const gathered = new SharedArrayBuffer(bytes);
  let used = 0;
  return parts.map((part) => {
    if (isShared(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const view = new Uint8Array(gathered, used, part.byteLength);
    view.set(part);
    used += part.byteLength;
    return view;
  });
}

const isShared = ({ buffer }: Uint8Array): boolean => buffer instanceof SharedArrayBuffer;

function errorOf({ code, message, stack }: Failure): Error {
  if (code !== undefined) return new PgganError(code, message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
