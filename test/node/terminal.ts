/** A person at a terminal, in a checkout, who types the commands of the README. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { commandOf } from '../harness/command.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export type Terminal = {
  readonly folder: string;
  /** Types the command of the README that matches; it must be the only one, and has to succeed. What it exports holds for those after it. */
  type(pattern: RegExp, edits?: readonly Edit[]): Promise<string>;
  /** Changes a file of the checkout by hand. */
  edit(file: string, edits: readonly Edit[]): void;
  /** What of the README nobody has typed. */
  untyped(): readonly string[];
};

/** What a reader puts for a word of the README. */
export type Edit = readonly [what: string | RegExp, by: string];

/**
 * @param folder where the checkout is to be
 * @param programs by their names, where they are not in the PATH
 * @param edits what a reader replaces in every command
 */
export function createTerminal(
  folder: string,
  programs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
  edits: readonly Edit[],
): Terminal {
  checkOut(folder);
  const bin = join(folder, '.bin');
  mkdirSync(bin);
  for (const [name, path] of Object.entries(programs)) symlinkSync(path, join(bin, name));
  const bash = commandOf('bash', ['-euo', 'pipefail', '-c'], { ...env, PATH: `${bin}:${process.env['PATH']}`, HOME: folder });
  const commands = commandsOf(readFileSync(join(ROOT, 'README.md'), 'utf8'), 'On a cluster');
  const remembered: string[] = [];
  const typed = new Set<string>();
  return {
    folder,
    async type(pattern, more = []) {
      const found = commands.filter((command) => pattern.test(command));
      assert.equal(found.length, 1, `${String(pattern)} is in ${found.length} commands of the README: ${commands.join('\n')}`);
      const [command = ''] = found;
      typed.add(command);
      const text = edited(command, [...edits, ...more]);
      const { code, stdout, stderr } = await bash([[`cd ${folder}`, ...remembered, text].join('\n')]);
      assert.equal(code, 0, `${text}\n${stdout}${stderr}`);
      if (/^export |^\w+\(\)/.test(text)) remembered.push(text);
      process.stdout.write(`# $ ${text.replaceAll('\n', '\n# > ')}\n`);
      return stdout;
    },
    edit(file, changes) {
      const path = join(folder, file);
      const text = readFileSync(path, 'utf8');
      for (const [what] of changes)
        assert.ok(typeof what === 'string' ? text.includes(what) : what.test(text), `${file} has no ${String(what)}`);
      writeFileSync(path, edited(text, changes));
    },
    untyped: () => commands.filter((command) => !typed.has(command)),
  };
}

/** The working tree, into which nothing is written: only what people edit is a copy of theirs. */
function checkOut(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(ROOT)) if (!name.startsWith('.')) symlinkSync(join(ROOT, name), join(folder, name));
  rmSync(join(folder, 'manifests'));
  cpSync(join(ROOT, 'manifests'), join(folder, 'manifests'), { recursive: true });
}

/** The commands in shell blocks under a heading of a page, without their comments. */
export function commandsOf(page: string, heading: string): readonly string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? assert.fail(`there is no heading ${heading}`);
  const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const lines = blocks.flatMap((block) => block.replaceAll(/\s*\\\n\s*/g, ' ').split('\n'));
  return lines.map((line) => line.replace(/\s+#\s.*$/, '')).filter((line) => line !== '' && !line.startsWith('#'));
}

function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((all, [what, by]) => all.replaceAll(typeof what === 'string' ? what : new RegExp(what, 'g'), () => by), text);
}
