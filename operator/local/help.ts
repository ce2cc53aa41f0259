/** The commands of another program, for a help that lists all: asked of the program itself, so that no second list can go stale. */
import { spawnSync } from 'node:child_process';

/** The section "Commands" of a command's help under a title of its own; empty where it has none. */
export function commandsOf(helpCommand: readonly string[]): string {
  const [file = '', ...args] = helpCommand;
  const { stdout, error } = spawnSync(file, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, COLUMNS: String(process.stdout.columns ?? 80) },
  });
  if (error) return '';
  const [, section = ''] = stdout.split(/^Commands:\n/m);
  const own = section.replace(/^ {2}help \[command\][^]*/m, '').trimEnd();
  return own === '' ? '' : `\nCommands for datasets, networks and measurements:\n${own}\n\nEach has a --help of its own.`;
}
