/** Trainer processes: how they are started, heard and ended. A process ends itself when its stdin does, so none outlives this one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

/** What to run. `log` receives all that it prints; `terminationLog` its last progress document. */
export type Program = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly log: string;
  readonly terminationLog: string;
};

/** How a process ended: an exit code, or the signal that killed it. `said` is the line on stderr that tells most about why. */
export type End = { readonly exitCode: number | undefined; readonly signal: string | undefined; readonly said: string };

export type Running = {
  readonly pid: number | undefined;
  /** Port of its /progress, once it has told it. */
  port(): number | undefined;
  /** Asks it to save and end; asking again changes nothing. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
  readonly ended: Promise<End>;
};

/** Starts a program. `line` is called with every line it prints but the first, which carries its port. */
export function start(program: Program, line: (text: string) => void): Running {
  const [file, ...args] = program.command;
  if (file === undefined) throw new RangeError('no command');
  prepareFiles(program);
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...program.env, PGGAN_TERMINATION_LOG: program.terminationLog, PGGAN_PARENT: 'stdin' },
  });
  child.stdin.on('error', () => {}); // The pipe breaks when the process is killed; its end is told by 'close'.
  const log = createWriteStream(program.log, { flags: 'a' });
  log.on('error', () => {}); // A full disk must not end the driver: the trainer itself tells of it, with exit 4.
  let port: number | undefined;
  let last = '';
  createInterface({ input: child.stdout }).on('line', (text) => {
    const told = portOf(text);
    if (told !== undefined) port = told;
    else line(text);
    log.write(`${text}\n`);
  });
  createInterface({ input: child.stderr }).on('line', (text) => {
    last = telling(last, text);
    log.write(`${text}\n`);
  });
  let asked = false;
  const stop = (): void => {
    if (asked) return;
    asked = true;
    child.kill('SIGTERM');
  };
  return { pid: child.pid, port: () => port, stop, kill: () => void child.kill('SIGKILL'), ended: endOf(child, log, () => last) };
}

/** Folders for its log and its last words. On a full or unwritable disk it runs without: it tells of the disk by itself. */
function prepareFiles({ log, terminationLog }: Program): void {
  try {
    mkdirSync(dirname(log), { recursive: true });
    mkdirSync(dirname(terminationLog), { recursive: true });
    rmSync(terminationLog, { force: true });
  } catch {
    // Its end is then judged by its exit code and the last line it printed.
  }
}

/** The line that says why: the newest that names an error, else the newest that is no stack frame. */
function telling(last: string, text: string): string {
  if (/^\s*(at |$)/.test(text)) return last;
  return /error/i.test(last) && !/error/i.test(text) ? last : text;
}

function portOf(text: string): number | undefined {
  if (!text.startsWith('{"port":')) return undefined;
  const told: unknown = JSON.parse(text);
  return typeof told === 'object' && told !== null && 'port' in told && typeof told.port === 'number' ? told.port : undefined;
}

function endOf(child: ChildProcess, log: { end(): void }, said: () => string): Promise<End> {
  return new Promise((resolve) => {
    let failure: string | undefined;
    child.once('error', (error) => {
      failure = error.message;
      if (child.pid === undefined) resolve({ exitCode: undefined, signal: undefined, said: failure });
    });
    child.once('close', (code, signal) => {
      log.end();
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined, said: failure ?? said() });
    });
  });
}

/** The last document a process left behind; undefined where it left none. */
export async function terminationMessage(program: Program): Promise<string | undefined> {
  try {
    return await readFile(program.terminationLog, 'utf8');
  } catch {
    return undefined;
  }
}
