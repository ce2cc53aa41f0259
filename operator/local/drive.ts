/** The loop of the local driver: look, plan, act, wait for a change; until the plan settles or someone asks to stop. */
import type { Jobs } from './jobs.ts';

/** What one round came to. `settled` is absent while there is more to do. */
export type Round = { readonly settled?: 'succeeded' | 'stalled' | 'suspended'; readonly lookAgainSeconds?: number };
export type Outcome = 'succeeded' | 'stalled' | 'suspended' | 'stopped';

/** Something that happens now and then, and can be waited for. What happens between two waits is not missed. */
export type Wake = { poke(): void; wait(seconds: number | undefined): Promise<void> };

/** A wish to stop, raised by signals; however often it is raised, it is one. `onRaise` returns what takes the listener back. */
export type StopWish = { readonly reason: StopReason | undefined; onRaise(listener: () => void): () => void };

/**
 * Drives Jobs until `round` settles. Once a stop is wished, every process is asked to save, and this returns when all have ended. A round
 * that throws ends it the same way, and is thrown on: no process is left behind.
 */
export async function drive<T>(jobs: Jobs<T>, wake: Wake, stop: StopWish, round: () => Round): Promise<Outcome> {
  const running = (): boolean => jobs.list().some((job) => job.running !== undefined);
  const forget = stop.onRaise(() => {
    jobs.close();
    wake.poke();
  });
  if (stop.reason !== undefined) jobs.close();
  try {
    for (;;) {
      const { settled, lookAgainSeconds } = round();
      if (stop.reason !== undefined && !running()) return settled === 'succeeded' ? settled : 'stopped';
      if (settled !== undefined && !running()) return settled;
      await wake.wait(stop.reason === undefined ? lookAgainSeconds : undefined);
    }
  } catch (error) {
    jobs.close();
    while (running()) await wake.wait(undefined);
    throw error;
  } finally {
    forget();
  }
}

export function createWake(): Wake {
  let pending = false;
  let release: (() => void) | undefined;
  return {
    poke() {
      pending = true;
      release?.();
    },
    async wait(seconds) {
      if (!pending) {
        await new Promise<void>((resolve) => {
          const timer = seconds === undefined ? undefined : setTimeout(resolve, Math.max(0, seconds) * 1000);
          release = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      release = undefined;
      pending = false;
    },
  };
}

/** Why a driver is to stop: a signal, the end of its parent, or an output that nobody reads any more. */
export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'disconnect' | 'SIGPIPE';

/** Raised by SIGINT, SIGTERM and SIGHUP, by the end of a parent that holds an IPC channel (bin/pggan.mjs), and by the end of `output`'s reader. */
export function listenForStop(output: NodeJS.WritableStream): StopWish & { dispose(): void } {
  const listeners = new Set<() => void>();
  let reason: StopReason | undefined;
  const raise = (why: StopReason) => (): void => {
    if (reason !== undefined) return;
    reason = why;
    for (const listener of listeners) listener();
  };
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => [signal, raise(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const orphaned = raise('disconnect');
  if (process.connected) process.on('disconnect', orphaned);
  output.on('error', raise('SIGPIPE'));
  return {
    get reason() {
      return reason;
    },
    onRaise(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    dispose() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      process.off('disconnect', orphaned);
      if (process.connected) process.disconnect();
    },
  };
}
