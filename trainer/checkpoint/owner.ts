/** One writer per run: owner.json is taken by conditional write, and whoever finds a newer epoch in it stops at once. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import { canonicalJson, type TrainingRun } from '../../crds/run.ts';
import { jsonBytes, MAX_DOCUMENT_BYTES, parseJson } from './format.ts';
import { livenessOf, type ProcessIdentity, thisProcess } from './process-identity.ts';
import type { Condition, Store } from './store.ts';

export const OWNER = 'owner.json';
/** A holder on another machine that has not renewed for this long is taken for dead; if it is not, the epoch stops it. */
export const LEASE_SECONDS = 60;

const holder = z.strictObject({ host: z.string(), place: z.string(), pid: z.number().int(), startTime: z.number() });

const ownerRecord = z.strictObject({
  version: z.literal(1),
  cluster: z.string(),
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  /** Rises with every process that takes the run: the newest one is the writer. */
  epoch: z.number().int().min(1),
  /** The process that writes; null once it has ended in good order. */
  holder: holder.nullable(),
  /** Processes that have trained on this run. */
  attempt: z.number().int().nonnegative(),
  renewed: z.iso.datetime(),
});
export type OwnerRecord = Readonly<z.infer<typeof ownerRecord>>;
export type RunOwner = TrainingRun['owner'];
export type Clock = { now(): Date };
export const systemClock: Clock = { now: () => new Date() };

/** The right to write to a run. Each method throws PgganError RunOwned (exit 75) once another process has taken it. */
export type Writer = {
  /** As it was taken: `writerOf` makes the same right of it in another thread of this process. */
  readonly record: OwnerRecord;
  readonly epoch: number;
  /** How many processes have trained on this run, this one included. */
  readonly attempt: number;
  /** Before every commit and every deletion. */
  check(): Promise<void>;
  /** Several times per lease (LEASE_SECONDS). */
  renew(): Promise<void>;
  /** At the end, so that the next process need not wait. No error where another one has the run already. */
  release(): Promise<void>;
};

export type AcquireOptions = {
  /** False for a process that only claims the run, as a preflight: it does not count as an attempt. */
  readonly trains?: boolean;
};

/**
 * Takes the run in `store` for this process: if it is nobody's, if its holder is gone (a dead process of this machine at once, one of
 * another machine when its lease has run out), or has released it.
 * @throws {PgganError} RunOwned, naming the living holder
 */
export async function acquireRun(store: Store, owner: RunOwner, clock: Clock, options: AcquireOptions = {}): Promise<Writer> {
  const me = thisProcess();
  const { cluster, namespace, name, uid } = owner;
  let record: OwnerRecord | undefined;
  for (;;) {
    const found = await readOwner(store);
    // A store that was asked again, because its first answer was lost, refuses what it has done already.
    if (record && found && canonicalJson(found.record) === canonicalJson(record)) return writerOf(store, record, clock);
    if (found) refuseLiving(store, found.record, clock.now());
    record = {
      version: 1,
      cluster,
      namespace,
      name,
      uid,
      epoch: (found?.record.epoch ?? 0) + 1,
      holder: me,
      attempt: (found?.record.attempt ?? 0) + (options.trains === false ? 0 : 1),
      renewed: clock.now().toISOString(),
    };
    const condition: Condition = found ? { kind: 'version', version: found.version } : { kind: 'absent' };
    const entry = await store.write(OWNER, [jsonBytes(record)], condition);
    if (entry) return writerOf(store, record, clock);
    // Another process was faster: its record decides.
  }
}

/** The record of who owns a run, or undefined for a run that nobody has taken. @throws {PgganError} CheckpointInvalid where it is damaged */
export async function readOwner(store: Store): Promise<{ readonly record: OwnerRecord; readonly version: string } | undefined> {
  // The version is taken first: if the object changes before it is read, a write on this version fails, as it must.
  const entry = await store.head(OWNER);
  const bytes = entry && (await store.read(OWNER, MAX_DOCUMENT_BYTES));
  return bytes && { record: parseJson(ownerRecord, bytes, `${OWNER} in ${store.uri}`), version: entry.version };
}

/** The right to write that `acquireRun` gave this process, for one of its threads. */
export function writerOf(store: Store, record: OwnerRecord, clock: Clock): Writer {
  /** What is in the store if it is still this process's, else RunOwned. */
  const own = async () => {
    const found = await readOwner(store);
    if (found?.record.epoch === record.epoch && sameProcess(found.record.holder, record.holder)) return found;
    throw new PgganError('RunOwned', `${store.uri} has been taken over by ${describe(found?.record)}: this process stops writing`);
  };
  const replace = async (change: Partial<OwnerRecord>): Promise<void> => {
    for (;;) {
      const found = await own();
      const next = { ...found.record, ...change, renewed: clock.now().toISOString() };
      if (await store.write(OWNER, [jsonBytes(next)], { kind: 'version', version: found.version })) return;
    }
  };
  return {
    record,
    epoch: record.epoch,
    attempt: record.attempt,
    check: async () => {
      await own();
    },
    renew: () => replace({}),
    async release() {
      try {
        await replace({ holder: null });
      } catch (error) {
        if (!(error instanceof PgganError && error.code === 'RunOwned')) throw error;
      }
    },
  };
}

/** @throws {PgganError} RunOwned, naming the process, where one that may be alive writes to the run */
export function refuseLiving(store: Store, record: OwnerRecord, now: Date): void {
  if (!record.holder) return;
  const life = livenessOf(record.holder);
  const leftSeconds = LEASE_SECONDS - (now.getTime() - Date.parse(record.renewed)) / 1000;
  if (life === 'dead' || (life === 'elsewhere' && leftSeconds < 0)) return;
  const until = life === 'elsewhere' ? `; if that process has died, the run is free in ${Math.ceil(leftSeconds)} s` : '';
  throw new PgganError('RunOwned', `${store.uri} is being written by ${describe(record)}${until}`);
}

function describe(record: OwnerRecord | undefined): string {
  if (!record?.holder) return 'nobody any more (owner.json was released or removed)';
  return `process ${record.holder.pid} on ${record.holder.host} (training ${record.namespace}/${record.name})`;
}

function sameProcess(a: ProcessIdentity | null, b: ProcessIdentity | null): boolean {
  return a !== null && b !== null && a.place === b.place && a.pid === b.pid && a.startTime === b.startTime;
}
