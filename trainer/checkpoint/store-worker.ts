/** The thread that serves a store to worker-store.ts: verbs come in as messages, results and errors go out as messages. */
import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import { asError, type ErrorCode, PgganError } from '../../crds/errors.ts';
import { type OpenOptions, openStore } from './open-store.ts';
import type { Condition } from './store.ts';

export type WorkerInput = { readonly uri: string; readonly options: OpenOptions };

export type Verb =
  | { readonly kind: 'list'; readonly prefix: string }
  | { readonly kind: 'head'; readonly key: string }
  | { readonly kind: 'read'; readonly key: string }
  | { readonly kind: 'readRange'; readonly key: string; readonly start: number; readonly end: number }
  | { readonly kind: 'write'; readonly key: string; readonly parts: readonly Uint8Array[]; readonly condition: Condition | undefined }
  | { readonly kind: 'upload'; readonly key: string; readonly file: string; readonly condition: Condition | undefined }
  | { readonly kind: 'download'; readonly key: string; readonly file: string }
  | { readonly kind: 'remove'; readonly key: string }
  | { readonly kind: 'close' };

export type Request = { readonly id: number; readonly verb: Verb };
export type Failure = {
  readonly kind: 'failed';
  readonly id: number;
  /** Of a PgganError; other errors are crashes and keep their stack. */
  readonly code?: ErrorCode;
  readonly message: string;
  readonly stack?: string | undefined;
};
export type Answer = { readonly kind: 'done'; readonly id: number; readonly value: unknown } | Failure;

const port = parentPort;
if (!port) throw new Error('store-worker is started by worker-store.ts, as a worker thread');
const { uri, options } = workerData as WorkerInput;
const store = openStore(uri, options);

const running = new Set<Promise<void>>();
port.on('message', ({ id, verb }: Request) => {
  if (verb.kind === 'close') return void Promise.all(running).then(() => port.close());
  const one = perform(verb)
    .then(
      (value) => answer({ kind: 'done', id, value }),
      (thrown: unknown) => answer(failureOf(id, asError(thrown))),
    )
    .finally(() => running.delete(one));
  running.add(one);
});

async function perform(verb: Exclude<Verb, { kind: 'close' }>): Promise<unknown> {
  switch (verb.kind) {
    case 'list':
      return store.list(verb.prefix);
    case 'head':
      return store.head(verb.key);
    case 'read':
      return movable(await store.read(verb.key));
    case 'readRange':
      return movable(await store.readRange(verb.key, verb.start, verb.end));
    case 'write':
      return store.write(verb.key, verb.parts, verb.condition);
    case 'upload':
      return store.upload(verb.key, verb.file, verb.condition);
    case 'download':
      return store.download(verb.key, verb.file);
    case 'remove':
      return store.remove(verb.key);
  }
}

/** Bytes alone in their buffer, which can be moved to another thread. */
function movable(bytes: Buffer | undefined): Uint8Array | undefined {
  if (!bytes) return undefined;
  const alone = bytes.byteLength === bytes.buffer.byteLength;
  return alone ? new Uint8Array(bytes.buffer) : Uint8Array.from(bytes);
}

function answer(message: Answer): void {
  const moved: TransferListItem[] =
    message.kind === 'done' && message.value instanceof Uint8Array ? [message.value.buffer as ArrayBuffer] : [];
  port?.postMessage(message, moved);
}

function failureOf(id: number, error: Error): Failure {
  const { message, stack } = error;
  return error instanceof PgganError ? { kind: 'failed', id, code: error.code, message } : { kind: 'failed', id, message, stack };
}
