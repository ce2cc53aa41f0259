/** Looks at other processes through /proc, and stops, resumes and ends them. Linux only, as the native backend is. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { parseRunDocument, type TrainingRun } from '../../crds/run.ts';
import type { Command } from './pggan.ts';

export type TrainerProcess = { readonly pid: number; readonly task: TrainingRun['task'] | { readonly kind: 'synthesis' } };

/** The driver that a command runs: the child of bin/pggan.mjs; undefined before it is started and after it has ended. */
export function driverOf({ pid }: Command): number | undefined {
  return childrenOf(pid)[0];
}

/** The trainer that a command's driver runs at the moment, told apart from a preflight by its run document; undefined between two of them. */
export function trainerOf(command: Command): TrainerProcess | undefined {
  const driver = driverOf(command);
  if (driver === undefined) return undefined;
  return childrenOf(driver)
    .map((pid) => ({ pid, run: runDocumentOf(pid) }))
    .flatMap(({ pid, run }) => (run === undefined ? [] : [{ pid, task: run.kind === 'synthesis' ? { kind: run.kind } : run.task }]))
    .find(({ pid, task }) => task.kind !== 'preflight' && isAlive(pid));
}

/** Stops a process and returns once none of its threads runs any more: what it wrote by then is all that it wrote. False where it has ended. */
export async function freeze(pid: number): Promise<boolean> {
  if (!send(pid, 'SIGSTOP')) return false;
  for (;;) {
    const states = threadStates(pid);
    if (states.length === 0 || states.some((state) => state === 'Z' || state === 'X')) return false;
    if (states.every((state) => state === 'T')) return true;
    await setTimeout(1);
  }
}

export const thaw = (pid: number): boolean => send(pid, 'SIGCONT');

/** `kill -9`. @throws where the process is gone already: a kill that hit nothing proves nothing */
export function killHard(pid: number): void {
  if (!isAlive(pid) || !send(pid, 'SIGKILL')) throw new Error(`process ${pid} had ended before it was killed`);
}

/** Returns when a process that is no child of ours has ended; a zombie that nobody has collected yet counts as ended. */
export async function ended(pid: number): Promise<void> {
  while (isAlive(pid)) await setTimeout(10);
}

/** True for a process that runs, sleeps or is stopped. */
export function isAlive(pid: number): boolean {
  const [state] = threadStates(pid, [String(pid)]);
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function childrenOf(pid: number): readonly number[] {
  return (readProc(`${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number);
}

/** Undefined for a process that has not been handed its document yet, or is gone. */
function runDocumentOf(pid: number): ReturnType<typeof parseRunDocument> | undefined {
  const variables = (readProc(`${pid}/environ`) ?? '').split('\0');
  const text = variables.find((variable) => variable.startsWith('PGGAN_RUN='))?.slice('PGGAN_RUN='.length);
  return text === undefined ? undefined : parseRunDocument(text);
}

/** The state letter of each thread (proc(5), field 3 of stat); empty for a process that is gone. */
function threadStates(pid: number, threads = threadsOf(pid)): readonly string[] {
  return threads.flatMap((thread) => {
    const stat = readProc(`${pid}/task/${thread}/stat`);
    return stat === undefined ? [] : [stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)];
  });
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** What a process has taken so far. */
export type Usage = { readonly cpuSeconds: number; readonly peakBytes: number };

/** Ticks of /proc are hundredths of a second on Linux, whatever the kernel's own are. */
const TICKS_PER_SECOND = 100;

/** CPU time (user and system), and VmHWM. */
export function usageOf(pid: number): Usage {
  const stat = readProc(`${pid}/stat`) ?? '';
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(`${pid}/status`) ?? '')?.[1];
  return { cpuSeconds: (user + system) / TICKS_PER_SECOND, peakBytes: Number(kilobytes ?? 0) * 1024 };
}
