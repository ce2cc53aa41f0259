/** Requests to stop: SIGTERM, SIGINT and SIGHUP (repeats are one), and the end of the parent process where that is asked for. */

export interface StopRequest {
  readonly requested: boolean;
  /** Why, in words; undefined while nothing was requested. */
  readonly reason: string | undefined;
  /** Calls `listener` at the request, at once where it has come already. */
  onRequest(listener: () => void): void;
  /** No longer keeps the process alive. */
  release(): void;
}

/**
 * Listens from the first moment on: as PID 1 in a container, Node would otherwise ignore SIGTERM. With PGGAN_PARENT=stdin the end of standard
 * input counts as well: the local driver holds the other end of that pipe, so that even its kill -9 leaves no trainer behind.
 */
export function listenForStop(env: Readonly<Record<string, string | undefined>> = process.env): StopRequest {
  let reason: string | undefined;
  const listeners: (() => void)[] = [];
  const request = (why: string) => (): void => {
    if (reason !== undefined) return;
    reason = why;
    for (const listener of listeners) listener();
  };
  process.on('SIGTERM', request('SIGTERM'));
  process.on('SIGINT', request('SIGINT'));
  // A terminal that is closed.
  process.on('SIGHUP', request('SIGHUP'));
  const watchesParent = env['PGGAN_PARENT'] === 'stdin';
  if (watchesParent) {
    process.stdin.on('end', request('the parent process has ended'));
    process.stdin.on('error', request('the parent process has ended'));
    process.stdin.resume();
  }
  return {
    get requested() {
      return reason !== undefined;
    },
    get reason() {
      return reason;
    },
    onRequest(listener) {
      if (reason === undefined) listeners.push(listener);
      else listener();
    },
    release() {
      if (watchesParent) process.stdin.destroy();
    },
  };
}
