/** Starts the commands that people type, as a terminal would: in a process group of their own, heard line by line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { podCommand } from '../../crds/pod.ts';
import type { RunDocument } from '../../crds/run.ts';

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type Command = {
  readonly pid: number;
  /** Lines of stdout and of stderr so far. */
  readonly lines: readonly string[];
  readonly errors: readonly string[];
  /** The first line of stdout, past or future, that matches; rejects when the command ends without one. */
  said(pattern: RegExp): Promise<string>;
  readonly ended: Promise<Ended>;
  /** Stops reading what it prints, as `| head` does. */
  closeOutput(): void;
  /** Sends a signal to every process of the group at once, as the terminal does for Ctrl-C. */
  signalGroup(signal: NodeJS.Signals): void;
};

export type Surroundings = { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> };

const ROOT = resolve(import.meta.dirname, '../..');

/** `npx pggan <args>`. What is left of its process group is ended after the test. */
export function pggan(t: TestContext, args: readonly string[], surroundings: Surroundings = {}): Command {
  return command(t, [process.execPath, resolve(ROOT, 'bin/pggan.mjs'), ...args], surroundings);
}

export type TrainerSurroundings = {
  readonly env?: Readonly<Record<string, string>>;
  /** A command that executes the one that follows it, such as `unshare`. */
  readonly within?: readonly string[];
};

/** A trainer process as a pod would run it: the command and the run document in the environment. */
export function trainer(t: TestContext, run: RunDocument, { env, within = [] }: TrainerSurroundings = {}): Command {
  const argv = [...within, process.execPath, resolve(ROOT, 'trainer/main.ts'), podCommand(run)];
  return command(t, argv, { env: { ...env, PGGAN_RUN: JSON.stringify(run) } });
}

/** Waits for the end of a command that must end well, and shows what it said where it did not. */
export async function succeeded(started: Command): Promise<void> {
  const { code, signal } = await started.ended;
  if (code !== 0) throw new Error(`ended with ${code ?? signal}: ${[...started.lines, ...started.errors].join('\n')}`);
}

function command(t: TestContext, argv: readonly string[], { cwd, env }: Surroundings): Command {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${argv.join(' ')} could not be started`);
  const lines: string[] = [];
  const errors: string[] = [];
  const waiting = new Set<{ readonly pattern: RegExp; readonly found: (line: string) => void; readonly fail: () => void }>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const { pattern, found } of waiting) if (pattern.test(line)) found(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => void errors.push(line));
  const ended = endOf(child);
  void ended.then(() => {
    for (const { fail } of waiting) fail();
  });
  const signalGroup = (signal: NodeJS.Signals): void => void process.kill(-pid, signal);
  t.after(async () => {
    endGroup(pid);
    await ended;
  });
  return {
    pid,
    lines,
    errors,
    ended,
    closeOutput: () => child.stdout.destroy(),
    signalGroup,
    said(pattern) {
      const known = lines.find((line) => pattern.test(line));
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((found, reject) => {
        const fail = (): void => reject(new Error(`ended without ${String(pattern)}: ${[...lines, ...errors].join('\n')}`));
        waiting.add({ pattern, found, fail });
      });
    },
  };
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code, signal) => done({ code, signal }));
  });
}

/** Ends whatever a failed test left running; stopped processes too. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of the group, as it should be.
  }
}
