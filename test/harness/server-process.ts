/** A server that tests talk to, as a child process: its output goes to a file, and it ends with the process that started it, however that ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { asError } from '../../crds/errors.ts';

export type ServerProcess = {
  readonly name: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** True until it has ended. */
  running(): boolean;
  /** Resolves when the process that runs now has ended, by itself or not. */
  readonly ended: Promise<void>;
  /** Ends it at once and returns when it has ended. What a test starts is thrown away: there is nothing to shut down in good order. */
  kill(): Promise<void>;
  /** Starts it again, as it was started, after it has been killed. */
  restart(): void;
  /** The end of what it has printed, and how it has ended if it has: for a person, whatever became of its log. */
  output(): string;
  /** The first group of the last match in all that it has printed; undefined where it printed nothing like that. */
  lastSaid(pattern: RegExp): string | undefined;
};

/** Starts `program`, which appends all it prints to the file `log`. The kernel kills it when this process is gone, even by kill -9. */
export function startServer(program: string, args: readonly string[], log: string): ServerProcess {
  let { child, pid, ended } = spawnServer(program, args, log);
  return {
    name: basename(program),
    get pid() {
      return pid;
    },
    running: () => child.exitCode === null && child.signalCode === null,
    get ended() {
      return ended;
    },
    async kill() {
      child.ref();
      child.kill('SIGKILL');
      await ended;
    },
    restart() {
      ({ child, pid, ended } = spawnServer(program, args, log));
    },
    output: () => `${endOfLog(log)}${howEnded(child)}`,
    lastSaid: (pattern) => [...readFileSync(log, 'utf8').matchAll(new RegExp(pattern, 'g'))].at(-1)?.[1],
  };
}

function endOfLog(log: string): string {
  try {
    return readFileSync(log, 'utf8').slice(-4000);
  } catch (error) {
    return `(its log cannot be read: ${asError(error).message})`;
  }
}

function howEnded({ exitCode, signalCode }: ChildProcess): string {
  if (signalCode !== null) return `\n(ended by ${signalCode})`;
  return exitCode === null ? '' : `\n(ended with exit code ${exitCode})`;
}

/** `--name=value` for each. */
export const flags = (values: Readonly<Record<string, string | number | boolean>>): readonly string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${value}`);

function spawnServer(
  program: string,
  args: readonly string[],
  log: string,
): { readonly child: ChildProcess; readonly pid: number; readonly ended: Promise<void> } {
  const file = openSync(log, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: ['ignore', file, file] });
  closeSync(file);
  // A server that nobody stopped must not keep the tests' process alive.
  child.unref();
  if (child.pid === undefined) throw new Error(`${program} cannot be started: setpriv (util-linux) is needed`);
  return { child, pid: child.pid, ended: endOf(child) };
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    child.once('error', () => done());
    child.once('exit', () => done());
  });
}
