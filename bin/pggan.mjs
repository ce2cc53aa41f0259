#!/usr/bin/env node
// The command that people type. Finds the Node 24 that set-up has installed and hands over: start, status and synthesize to the local driver,
// everything else to the trainer. Plain JavaScript for Node 20; imports neither of the two.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `help evaluate` is `evaluate --help`: the program that has the command explains it. */
function argumentsOf([first = '--help', second, ...others]) {
  return first === 'help' && second !== undefined ? [second, '--help'] : [first, ...(second === undefined ? [] : [second]), ...others];
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const DRIVER_COMMANDS = new Set(['start', 'status', 'synthesize', 'help', '--help', '-h']);
const [command, ...rest] = argumentsOf(process.argv.slice(2));

const major = Number(process.versions.node.split('.')[0]);
const own = join(root, 'node_modules', '.bin', 'node');
const node = existsSync(own) ? own : major >= 24 ? process.execPath : undefined;
if (node === undefined || !existsSync(join(root, 'node_modules', 'commander'))) {
  process.stderr.write(`pggan: not set up yet: run \`node scripts/setup.mjs\` in ${root} (it installs Node 24 and all packages)\n`);
  process.exit(2);
}

const main = DRIVER_COMMANDS.has(command) ? 'operator/local/main' : 'trainer/main';
const entry = [`${main}.ts`, `dist/${main}.js`].map((file) => join(root, file)).find((file) => existsSync(file));
if (entry === undefined) {
  process.stderr.write(`pggan: ${main}.ts is missing: this checkout is not complete\n`);
  process.exit(2);
}

// The IPC channel tells the driver of this process's end, also by kill -9: it then saves and ends instead of training on unseen.
const child = spawn(node, [entry, command, ...rest], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
  // Ctrl-C reaches the child by itself as well; it treats repeats as one. Here the handler keeps this process alive until the child has saved.
  process.on(signal, () => child.kill(signal));
}
child.once('error', (error) => {
  process.stderr.write(`pggan: ${node} cannot be started: ${error.message}\n`);
  process.exit(1);
});
child.once('exit', (code, signal) => {
  process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
});
