/** Runs a program to its end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** Runs a program with `input` on its standard input. Its code is part of the answer: refusals are what tests ask for. */
export type Command = (
  args: readonly string[],
  input?: string,
) => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;

/** `program` with `common` before all other arguments; of the environment it gets the PATH and `env`. */
export function commandOf(program: string, common: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Command {
  return async (args, input = '') => {
    const child = spawn(program, [...common, ...args], { env: { PATH: process.env['PATH'], ...env } });
    child.stdin.on('error', () => {}); // It may end without having read its input.
    child.stdin.end(input);
    const ended = new Promise<number | null>((done, failed) => void child.once('error', failed).once('close', done));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, stdout, stderr };
  };
}

/** The output of a command that has to succeed. */
export async function done(command: Command, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await command(args, input);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}
