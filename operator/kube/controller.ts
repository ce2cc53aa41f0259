/**
 * Workers that take keys from a queue and reconcile them; what happened never reaches them, only that something did.
 * It survives a reconcile that fails or throws (its key comes back after a backoff), one that hangs (its signal is aborted at a deadline; the
 * key stays taken until it really ends, so that no two ever work on one key), and a start with half a cache (nothing runs before all are whole).
 */
import { tracingChannel } from 'node:diagnostics_channel';
import { asError } from '../../crds/errors.ts';
import { aborted, type Clock, sleep, systemClock, within } from './clock.ts';
import { KubeError } from './errors.ts';
import type { WorkQueue } from './workqueue.ts';

/** `requeueAfterSeconds` asks for another look later even where nothing changes. */
export type Result = { readonly requeueAfterSeconds?: number };

type Reconcile = (key: string, signal: AbortSignal) => Promise<Result>;

export type ControllerOptions = {
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  /** Nothing is reconciled before all of these have resolved: reflectors that have synced. */
  readonly ready?: readonly Promise<void>[];
  readonly workers?: number;
  /** A reconcile that takes longer is told to stop. */
  readonly timeoutSeconds?: number;
  /** How long reconciles may go on when the controller is to stop, before they are told to stop too. */
  readonly graceSeconds?: number;
  readonly clock?: Clock;
  readonly onReconciled?: (report: ReconcileReport) => void;
};

/** One reconcile that has ended. A failed one comes back after the queue's backoff. */
export type ReconcileReport = { readonly key: string; readonly seconds: number; readonly error?: Error };

export interface Controller {
  /** Works until `signal` is aborted; resolves when nothing runs any more. */
  run(signal: AbortSignal): Promise<void>;
  /** How long the longest of the reconciles under way has been: a liveness probe may ask. */
  longestSeconds(): number;
}

/** Reconciles as they begin and end, for whoever measures them (bench/reconcile-cpu.ts): it costs nothing where nobody listens. */
const reconciles = tracingChannel('pggan.reconcile');

export function createController(options: ControllerOptions): Controller {
  const { queue, reconcile, ready = [], workers = 4, timeoutSeconds = 60, graceSeconds = 10, clock = systemClock, onReconciled } = options;
  const began = new Map<string, number>();

  async function work(stop: AbortSignal): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      began.set(key, clock.seconds());
      await reconcileOne(key, stop);
      began.delete(key);
      queue.done(key);
    }
  }

  async function reconcileOne(key: string, stop: AbortSignal): Promise<void> {
    const started = clock.seconds();
    const reason = (): Error => new KubeError('Timeout', `reconciling ${key} took longer than ${timeoutSeconds} seconds`);
    const limit = { clock, seconds: timeoutSeconds, parent: stop, reason };
    let error: Error | undefined;
    try {
      const { requeueAfterSeconds } = await within(limit, (signal) => reconciles.tracePromise(async () => reconcile(key, signal), { key }));
      queue.forget(key);
      if (requeueAfterSeconds !== undefined) queue.addAfter(key, requeueAfterSeconds);
    } catch (thrown) {
      queue.retry(key, thrown instanceof KubeError ? thrown.retryAfterSeconds : undefined);
      error = asError(thrown);
    }
    onReconciled?.({ key, seconds: clock.seconds() - started, ...(error && { error }) });
  }

  return {
    async run(signal) {
      if (!(await readyOrAborted(ready, signal))) return;
      const stop = new AbortController();
      const all = Array.from({ length: workers }, () => work(stop.signal));
      await aborted(signal);
      const idle = queue.shutDown();
      await Promise.race([idle, sleep(clock, graceSeconds)]);
      stop.abort(signal.reason);
      await Promise.all([idle, ...all]);
    },
    longestSeconds() {
      const now = clock.seconds();
      return Math.max(0, ...[...began.values()].map((at) => now - at));
    },
  };
}

async function readyOrAborted(ready: readonly Promise<void>[], signal: AbortSignal): Promise<boolean> {
  await Promise.race([Promise.all(ready), aborted(signal)]);
  return !signal.aborted;
}
