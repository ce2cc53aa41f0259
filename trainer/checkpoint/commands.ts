/** The command `run copy`. */
import type { Command } from 'commander';
import { accessOf, folderUri, runNamed, type StoreCommandOptions, withStoreOptions } from '../store-options.ts';
import { copyRun } from './copy-run.ts';
import { openStore } from './open-store.ts';

/** Where results and progress are written; `process` is one. */
type RunIo = { readonly stdout: { write(text: string): unknown }; readonly stderr: { write(text: string): unknown } };

/** Adds the command group `run` to a program. */
export function runCommands(program: Command, io: RunIo): void {
  const run = program.command('run').description('move runs between folders and object stores');
  withStoreOptions(run.command('copy'))
    .description('copy a run, its checkpoints verified; a training that is given the copy goes on from it')
    .argument('<from>', 'the run folder, or its s3:// address')
    .argument('<to>', 'where the copy goes: a folder or an s3:// address')
    .action(async (from: string, to: string, options: StoreCommandOptions) => {
      const { uri, s3 } = runNamed(from, options);
      const [source, destination] = [openStore(uri, { s3, create: false }), openStore(folderUri(to), { s3: accessOf(options) })];
      const { checkpoints, damaged } = await copyRun(source, destination, new Date(), (key) => io.stderr.write(`${key}\n`));
      for (const key of damaged) io.stderr.write(`warning: checkpoint ${key} is damaged and was left out\n`);
      io.stdout.write(`copied the run with ${checkpoints} checkpoints to ${destination.uri}\n`);
    });
}
