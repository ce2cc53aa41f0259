import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { decode } from 'fast-png';
import { datasetCommands } from './commands.ts';
import { openDataset } from './dataset.ts';
import { temporaryFolder } from './test-folders.ts';
import { testPng, writeFiles } from './test-pictures.ts';

/** Runs a command line of the trainer; what it wrote. */
async function trainer(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const program = new Command('trainer').exitOverride().configureOutput({ writeErr: (text) => (written.stderr += text) });
  datasetCommands(program, {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
  });
  for (const group of program.commands) for (const command of [group, ...group.commands]) command.copyInheritedSettings(program);
  await program.parseAsync(['node', 'trainer', 'dataset', ...args]);
  return written;
}

async function folders(t: TestContext): Promise<{ readonly root: string; readonly set: string; readonly png: string }> {
  const root = await temporaryFolder(t);
  return { root, set: join(root, 'set'), png: join(root, 'png') };
}

test('phantoms are made, verified and extracted, each image carrying its label', async (t) => {
  const { set, png } = await folders(t);
  const made = await trainer(
    'create-phantoms',
    set,
    '--count',
    '12',
    '--resolution',
    '16',
    '--opacity',
    '0.5',
    '--seed',
    '3',
    '--name',
    'test',
  );
  assert.match(made.stdout, /^12 phantoms of 16x16: 5\.8 KiB \(5892 B\)\nwrote 12 phantoms to /);
  assert.match(made.stderr, /drawing 12\/12 \(100%\)/);
  assert.deepEqual((await readdir(set)).sort(), ['dataset.json', 'test-r02.tfrecords', 'test-r03.tfrecords', 'test-r04.tfrecords']);
  assert.match(
    (await trainer('verify', set)).stdout,
    /^test: 12 images of 16x16, grey, no labels, source: phantom, 5\.8 KiB \(5892 B\), digest [0-9a-f]{64}\n$/,
  );
  assert.match((await trainer('extract', set, png)).stdout, /^wrote 12 images to /);
  const names = (await readdir(png)).sort();
  assert.deepEqual([names.length, names[0], names[11]], [12, 'img00000000.png', 'img00000011.png']);
  const image = decode(await readFile(join(png, 'img00000011.png')));
  const dataset = await openDataset(set);
  t.after(() => dataset.close());
  assert.deepEqual({ text: image.text, pixels: [...image.data] }, { text: { Source: 'phantom' }, pixels: [...dataset.read(16, [11])] });
  await assert.rejects(trainer('extract', set, png), { code: 'DatasetExists' });
});

test('the size of a dataset of images is said before it is written, and what was passed over', async (t) => {
  const { root, set } = await folders(t);
  await writeFiles(root, { 'a.png': testPng(8, 8), 'b.png': testPng(8, 8), '.hidden': 'x' });
  const { stdout } = await trainer('create-from-images', set, root, '--shuffle', '0');
  assert.equal(
    stdout,
    `2 grey images of 8x8: 360 B in ${set}\npassed over 1 folders and hidden files: .hidden\nwrote 2 images to ${set}\n`,
  );
});

test('a wrong option is refused by name', async (t) => {
  const { root, set } = await folders(t);
  for (const [args, message] of [
    [['create-phantoms', set, '--count', 'many'], /--count <n>.*'many' is invalid. Not a whole number/],
    [['create-phantoms', set, '--opacity', '2'], /--opacity <share>.*Not a number from 0 to 1/],
    [['create-from-images', set, root, '--shuffle', 'yes'], /--shuffle <0\|1>.*Use 0 or 1/],
  ] as const) {
    await assert.rejects(trainer(...args), { code: 'commander.invalidArgument', message });
  }
});
