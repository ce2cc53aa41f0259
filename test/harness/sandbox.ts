/**
 * `node sandbox.ts COMMAND... [-- COMMAND...]`: runs each command with processes, mounts and a network that nobody else sees, so that nothing of it
 * is left whether it passes, fails or is interrupted: containers outlive whoever started them, and their mounts and networks outlive them. They run
 * at the same time; what the first one prints is shown at once, and that of each other one at its end.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeControlGroups } from './control-groups.ts';

/** Where programs of a node write, whatever their settings say. What of it is not there is made, and stays, since others may have covered it too. */
const WRITTEN = ['/run/netns', '/run/containerd', '/var/log/pods', '/var/log/containers', '/var/lib/cni', '/var/lib/kubelet'];
/** The shell stays: it is the first process of the namespace, and collects what containers leave behind. */
const COVER = 'for folder in $WRITTEN; do mount -t tmpfs none "$folder"; done; ip link set lo up; "$@"; exit $?';

const NAMESPACES = ['unshare', '--pid', '--net', '--mount', '--fork', '--kill-child', '--mount-proc'] as const;

async function main(commands: readonly (readonly string[])[]): Promise<number> {
  const [unshare, ...kinds] = NAMESPACES;
  const { status, stderr, error } = spawnSync(unshare, [...kinds, 'true'], { encoding: 'utf8' });
  if (status !== 0) {
    process.stderr.write(`a node takes root with the right to make namespaces, which is missing here: ${error?.message ?? stderr}\n`);
    return process.env['CI'] === 'true' ? 1 : 0;
  }
  for (const path of WRITTEN) mkdirSync(path, { recursive: true });
  return Math.max(...(await Promise.all(commands.map((command, index) => runSandbox(command, index === 0)))));
}

/** Returns the exit code of the command. */
async function runSandbox(command: readonly string[], shown: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-sandbox-'));
  const log = `${folder}.log`;
  const output = shown ? 'inherit' : openSync(log, 'w');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...NAMESPACES, 'sh', '-c', COVER, 'sh', ...command], {
    stdio: ['ignore', output, output],
    env: { ...process.env, TMPDIR: folder, WRITTEN: WRITTEN.join(' ') },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => endAll(child));
  const code = await new Promise<number>((ended, failed) => {
    child.once('error', failed).once('exit', (status) => ended(status ?? 1));
  });
  for (const name of readdirSync(folder)) removeControlGroups(name);
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  if (typeof output === 'number') {
    closeSync(output);
    process.stdout.write(readFileSync(log));
    rmSync(log);
  }
  return code;
}

/** With the first process of a namespace the kernel ends all others, and `unshare` returns when they are gone. */
function endAll({ pid }: ChildProcess): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  for (const first of children) process.kill(Number(first), 'SIGKILL');
}

const words = process.argv.slice(2);
const between = words.flatMap((word, index) => (word === '--' ? [index] : []));
const [starts, ends] = [
  [0, ...between.map((index) => index + 1)],
  [...between, words.length],
];
process.exitCode = await main(starts.map((start, index) => words.slice(start, ends[index])));
