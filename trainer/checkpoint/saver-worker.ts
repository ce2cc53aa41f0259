/** The thread that saves checkpoints and keeps the lease: it goes on while a training step blocks the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { asError, type ErrorCode, PgganError } from '../../crds/errors.ts';
import type { Waiting } from '../../crds/progress.ts';
import type { StoreOptions } from '../../crds/run.ts';
import { type CheckpointContent, saveCheckpoint } from './checkpoint.ts';
import { type CommittedCheckpoint, TENSOR_FILES } from './format.ts';
import { openStore } from './open-store.ts';
import { LEASE_SECONDS, type OwnerRecord, systemClock, writerOf } from './owner.ts';
import { patiently, realPatience } from './patience.ts';
import { applyRetention, type RetentionOptions } from './retention.ts';
import { clearStaged, stage } from './staging.ts';

export type WorkerInput = {
  readonly uri: string;
  readonly s3: StoreOptions | undefined;
  readonly owner: OwnerRecord;
  readonly retention: RetentionOptions;
  /** The checkpoint that the run goes on from. */
  readonly newest: CommittedCheckpoint | undefined;
  /** Where the last checkpoint of a process is kept until the store has it. */
  readonly staging: string | undefined;
};

/** A checkpoint, and the logs as they read with it. */
export type SaveJob = {
  readonly content: CheckpointContent;
  readonly logs: Readonly<Record<string, string>>;
  /** The last of a process that was asked to stop: tried once, and staged before. */
  readonly last: boolean;
};

export type ToWorker =
  | { readonly kind: 'save'; readonly job: SaveJob }
  /** Ends all patience: the save in flight goes through now, or is given up. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'close' };

export type Failure = { readonly code: ErrorCode | undefined; readonly message: string; readonly stack: string | undefined };

export type FromWorker =
  /** The checkpoint exists. */
  | { readonly kind: 'committed'; readonly checkpoint: CommittedCheckpoint }
  /** Logs and retention are done too: the next save may be asked for. */
  | { readonly kind: 'done' }
  /** The store could not take it, but it is staged. */
  | { readonly kind: 'staged'; readonly folder: string; readonly failure: Failure }
  | { readonly kind: 'abandoned' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'waiting'; readonly reason: Waiting | undefined }
  | { readonly kind: 'remark'; readonly text: string }
  /** Another process has the run. */
  | { readonly kind: 'fenced'; readonly failure: Failure };

const port = parentPort;
if (!port) throw new Error('saver-worker is started by saver.ts, as a worker thread');
const input = workerData as WorkerInput;
let stopped = false;
let closing = false;
/** Whether a checkpoint is on its way that is kept nowhere else: the store is given all the time that this process has. */
let unkept = false;
const store = openStore(input.uri, { s3: input.s3, hurried: () => closing || (stopped && !unkept) });
const writer = writerOf(store, input.owner, systemClock);
const tell = (message: FromWorker): void => port.postMessage(message, []);

/** Why what follows a commit was left out: no error of anybody. */
const ABANDONED = Symbol('abandoned');
let newest = input.newest;
let renewing = false;
let saving: Promise<void> = Promise.resolve();

const patience = realPatience(
  (reason) => tell({ kind: 'waiting', reason }),
  () => stopped || closing,
);

const lease = setInterval(() => void renewLease(), (LEASE_SECONDS / 4) * 1000);

async function renewLease(): Promise<void> {
  // One that waits for its store is enough: a crowd of them would only be in each other's way.
  if (renewing) return;
  renewing = true;
  try {
    await writer.renew();
  } catch (thrown) {
    // A store that is away is asked again; whoever takes the run meanwhile is noticed then, or before the next commit.
    if (isFence(thrown)) tell({ kind: 'fenced', failure: failureOf(asError(thrown)) });
  } finally {
    renewing = false;
  }
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'save':
      saving = message.job.last ? saveLast(message.job, saving) : saveInFlight(message.job);
      return;
    case 'stop':
      stopped = true;
      return;
    case 'close':
      closing = true;
      clearInterval(lease);
      void saving.then(() => port.close());
      return;
  }
});

async function unlessStopped(): Promise<void> {
  if (stopped) throw ABANDONED;
  await writer.check();
}

async function saveInFlight(job: SaveJob): Promise<void> {
  try {
    // Once all files are on their way, to commit them is quicker than to remove them: a stop ends the patience only.
    await commit(() => patiently(() => saveWithRoom(job.content, () => writer.check()), patience));
    await tidy(job, unlessStopped);
    tell({ kind: 'done' });
  } catch (thrown) {
    tell(stopped && !isFence(thrown) ? { kind: 'abandoned' } : { kind: 'failed', failure: failureOf(asError(thrown)) });
  } finally {
    free(job.content);
  }
}

/** Staged at once, whatever the save before it is still waiting for; then saved. */
async function saveLast(job: SaveJob, before: Promise<void>): Promise<void> {
  let staged = false;
  try {
    staged = await tryStaging(job.content);
    await before;
    unkept = !staged;
    await commit(() => saveWithRoom(job.content, () => writer.check()));
    await afterLast(job);
    tell({ kind: 'done' });
  } catch (thrown) {
    const failure = failureOf(asError(thrown));
    const awaited = failure.code === 'StoreUnavailable' || failure.code === 'StoreFull';
    tell(
      staged && awaited && input.staging !== undefined ? { kind: 'staged', folder: input.staging, failure } : { kind: 'failed', failure },
    );
  } finally {
    free(job.content);
  }
}

/** What follows the last commit may fail with the store: the checkpoint is there, and the next process does it again. */
async function afterLast(job: SaveJob): Promise<void> {
  unkept = false;
  try {
    if (input.staging !== undefined) await clearStaged(input.staging);
    await tidy(job, () => writer.check());
  } catch (thrown) {
    if (isFence(thrown)) throw thrown;
    tell({ kind: 'remark', text: `the checkpoint is saved, but logs or retention are left to the next start: ${asError(thrown).message}` });
  }
}

async function commit(save: () => Promise<CommittedCheckpoint>): Promise<void> {
  newest = await save();
  tell({ kind: 'committed', checkpoint: newest });
}

/** Where there is no room for it, what retention no longer wants may be what takes the room. */
async function saveWithRoom(content: CheckpointContent, guard: () => Promise<void>): Promise<CommittedCheckpoint> {
  try {
    return await saveCheckpoint(store, content, guard);
  } catch (error) {
    if (newest && error instanceof PgganError && error.code === 'StoreFull') await applyRetention(store, newest, input.retention, guard);
    throw error;
  }
}

/** What follows a commit: the logs for readers, and retention. */
async function tidy({ logs }: SaveJob, guard: () => Promise<void>): Promise<void> {
  const saved = newest;
  for (const [name, text] of Object.entries(logs)) {
    await patiently(() => guard().then(() => store.write(name, [Buffer.from(text)])), patience);
  }
  if (saved) await patiently(() => applyRetention(store, saved, input.retention, guard), patience);
}

async function tryStaging(content: CheckpointContent): Promise<boolean> {
  if (input.staging === undefined) return false;
  try {
    await stage(input.staging, content);
    return true;
  } catch (thrown) {
    tell({
      kind: 'remark',
      text: `the checkpoint could not be staged in ${input.staging} (${asError(thrown).message}): the store must take it`,
    });
    return false;
  }
}

/** Gives hundreds of megabytes back now, not when this thread's small heap happens to be collected. */
function free(content: CheckpointContent): void {
  const buffers = new Set(TENSOR_FILES.flatMap((name) => [...content.files[name].tensors.values()].map(({ data }) => data.buffer)));
  for (const buffer of buffers) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function isFence(thrown: unknown): boolean {
  return thrown instanceof PgganError && thrown.code === 'RunOwned';
}

function failureOf(error: Error): Failure {
  return { code: error instanceof PgganError ? error.code : undefined, message: error.message, stack: error.stack };
}
