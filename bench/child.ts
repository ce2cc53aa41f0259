/** A process that is asked in lines of JSON and answers in lines of JSON: every measured case runs in one of its own. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Child {
  /** Sends a request and waits for its answer. @throws Error when the process ends first */
  ask<Answer>(request: unknown): Promise<Answer>;
  /** Lets the process end by itself, and waits for that. */
  close(): Promise<void>;
  /** Ends the process at once; what is being asked fails. */
  kill(): void;
  killed(): boolean;
}

/** Starts `command`; what it writes to stderr is shown when it fails. `name` says what failed. */
export function startChild(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Child {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.on('data', (text: Buffer) => (errors = (errors + text.toString()).slice(-4000)));
  // A child that has died tells by its exit; the broken pipe only repeats it.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`));
  });
  return {
    async ask<Answer>(request: unknown): Promise<Answer> {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`${name} gave no answer: ${await ended}\n${errors}`);
      return JSON.parse(line.value) as Answer;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
    kill: () => void child.kill('SIGKILL'),
    killed: () => child.killed,
  };
}

/** Runs a module of this folder as the child; it calls `serve`. */
export function startWorker(name: string, module: string): Child {
  return startChild(name, process.execPath, [new URL(module, import.meta.url).pathname]);
}

/** The child's side: answers each line by what `handler` makes of it, until its parent closes the pipe. */
export async function serve(handler: (request: never) => unknown): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await handler(JSON.parse(line) as never))}\n`);
  }
}
