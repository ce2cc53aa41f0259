/** The loop of the local driver: look, plan, act, wait for a change; until the plan settles or someone asks to stop. */
import type { Jobs } from './jobs.ts';

/** What one round came to. `settled` is absent while there is more to do. */
export type Round = { readonly settled?: 'succeeded' | 'stalled' | 'suspended'; readonly lookAgainSeconds?: number };
export type Outcome = 'succeeded' | 'stalled' | 'suspended' | 'stopped';

/** Something that happens now and then, and can be waited for. What happens between two waits is not missed. */
export type Wake = { poke(): void; wait(seconds: number | undefined): Promise<void> };

/** A wish to stop, raised by signals; however often it is raised, it is one. */
export type StopWish = { readonly reason: string | undefined; onRaise(listener: () => void): void };

/** Drives Jobs until `round` settles. Once a stop is wished, every process is asked to save, and this returns when all have ended. */
export async function drive<T>(jobs: Jobs<T>, wake: Wake, stop: StopWish, round: () => Round): Promise<Outcome> {
  stop.onRaise(() => {
    jobs.close();
    wake.poke();
  });
  if (stop.reason !== undefined) jobs.close();
  for (;;) {
    const { settled, lookAgainSeconds } = round();
    const running = jobs.list().some((job) => job.running !== undefined);
    if (stop.reason !== undefined && !running) return settled === 'succeeded' ? settled : 'stopped';
    if (settled !== undefined && !running) return settled;
    await wake.wait(stop.reason === undefined ? lookAgainSeconds : undefined);
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

/** Raised by SIGINT, SIGTERM and SIGHUP, and by the end of a parent that holds an IPC channel (bin/pggan.mjs). */
export function listenForStop(): StopWish & { dispose(): void } {
  const listeners: (() => void)[] = [];
  let reason: string | undefined;
  const raise = (why: string) => (): void => {
    if (reason !== undefined) return;
    reason = why;
    for (const listener of listeners) listener();
  };
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => [signal, raise(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const orphaned = raise('disconnect');
  if (process.connected) process.on('disconnect', orphaned);
  return {
    get reason() {
      return reason;
    },
    onRaise: (listener) => void listeners.push(listener),
    dispose() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      process.off('disconnect', orphaned);
      if (process.connected) process.disconnect();
    },
  };
}
