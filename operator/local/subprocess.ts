/** Runs a command of the trainer that is waited for: a dataset that is made, a network that is measured. It ends when this process does. */
import { spawn } from 'node:child_process';
import type { StopWish } from './drive.ts';
import { trainerCommand } from './trainer.ts';

export type Output = 'shown' | 'captured';

export type Finished = {
  readonly exitCode: number | undefined;
  /** What it printed, and the end of what it complained of; empty where its output is shown instead. */
  readonly stdout: string;
  readonly stderr: string;
};

/** The most of stderr that is kept: enough for an error and its cause. */
const KEPT_CHARACTERS = 2000;

/** Ends with the command; a stop is passed on to it. `env` is added to this process's own. */
export async function runTrainer(
  args: readonly string[],
  output: Output,
  stop: StopWish,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const [file = '', ...rest] = trainerCommand(...args);
  const stream = output === 'shown' ? 'inherit' : 'pipe';
  const child = spawn(file, rest, { stdio: ['pipe', stream, stream], env: { ...process.env, ...env, PGGAN_PARENT: 'stdin' } });
  child.stdin?.on('error', () => {}); // Broken when the command ends first; 'close' tells of it.
  const forget = stop.onRaise(() => child.kill('SIGTERM'));
  if (stop.reason !== undefined) child.kill('SIGTERM');
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    stdout += part;
  });
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    stderr = `${stderr}${part}`.slice(-KEPT_CHARACTERS);
  });
  const exitCode = await new Promise<number | undefined>((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => done(code ?? undefined));
  });
  forget();
  return { exitCode, stdout, stderr };
}
