/** Which line of a step an error came from. */

/** The innermost frame that is neither this folder's machinery nor a package, as `path:line:column`. */
export function sourceLine(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at .*:\d+:\d+\)?$/.test(line));
  const frame = frames.find((line) => !MACHINERY.test(line));
  return /\(?([^\s()]+:\d+:\d+)\)?$/.exec(frame ?? '')?.[1]?.replace(/^file:\/\//, '') ?? 'outside our own code';
}

const MACHINERY = /node_modules|node:|\/trainer\/backend\/[\w-]+\.[jt]s:/;

/** Runs `work` with stacks deep enough to get out of tfjs: its tidy, gradient and kernel calls take some thirty frames. */
export function withDeepStacks<T>(work: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
