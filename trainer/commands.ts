/** The trainer's commands and exit codes. */
import { Command, InvalidArgumentError } from 'commander';
import { asError, PgganError } from '../crds/errors.ts';
import { importCommand } from './checkpoint/legacy/command.ts';
import { runCommands } from './checkpoint/commands.ts';
import { datasetCommands } from './data/commands.ts';
import { exportCommand, exportFormat, networkNames } from './export/command.ts';
import { evaluateRun } from './metrics/command.ts';
import { planManifest } from './plan/command.ts';
import { runDocumentProcess } from './process.ts';
import { withStoreOptions } from './store-options.ts';
import { listenForStop, type StopRequest } from './train/stop.ts';
import { videoCommands } from './video/commands.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const positiveInteger = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number above 0 is wanted');
  return value;
};

/** Runs the command that the process was started with; sets its exit code. `stop` is of commands that have something to save or to take back. */
export async function runCommand(stop: StopRequest | undefined): Promise<void> {
  try {
    await commands(stop).parseAsync();
  } catch (thrown) {
    process.exitCode = reportError(asError(thrown));
  } finally {
    stop?.release();
  }
}

function commands(stop: StopRequest | undefined): Command {
  const program = new Command('pggan').description('Grows GANs on chest radiographs (PG-GAN, Karras et al. 2018).').exitOverride();
  program
    .command('train', { hidden: true })
    .description('trains one phase, as the run document in PGGAN_RUN says')
    .action(async () => {
      process.exitCode = await runDocumentProcess('train', stop ?? listenForStop(), print);
    });
  program
    .command('preflight', { hidden: true })
    .description('checks store, dataset, options and run folder before a training, and takes the folder; PGGAN_RUN says of which')
    .action(async () => {
      process.exitCode = await runDocumentProcess('preflight', stop ?? listenForStop(), print);
    });
  program
    .command('delete-run', { hidden: true })
    .description('deletes a run folder that belongs to the training which the run document in PGGAN_RUN describes')
    .action(async () => {
      process.exitCode = await runDocumentProcess('delete-run', stop ?? listenForStop(), print);
    });
  program
    .command('synthesize', { hidden: true })
    .description('makes synthetic images, as the run document in PGGAN_RUN says')
    .action(async () => {
      process.exitCode = await runDocumentProcess('synthesize', stop ?? listenForStop(), print);
    });
  withStoreOptions(program.command('evaluate'))
    .description('measures the averaged generator of a run against its dataset')
    .argument('<run>', 'run folder, or one of its checkpoints; a path or an s3:// address')
    .option('--metrics <list>', 'any of moments, swd, swd1, msssim, msssim1, separated by commas', 'moments')
    .option(
      '--num-images <n>',
      'images per set; more than the dataset has are its images again (default: what each metric is defined with, at most the dataset)',
      positiveInteger,
    )
    .option('--all', 'a table over snapshots, newest first: every kept checkpoint instead of the newest')
    .option('--redraws <n>', 'draws over which sliced Wasserstein distances are averaged', positiveInteger, 1)
    .option('--nearest <png>', 'draw 16 fakes, each above the training image that is nearest to it')
    .option('--json', 'one JSON object instead of a table')
    .action(evaluateRun);
  program
    .command('plan')
    .description(
      'says what the trainings of a manifest will take: memory, and time measured on this machine; exit code 3 when they do not fit',
    )
    .argument('<manifest>', 'YAML file with PGGANTraining objects')
    .option(
      '--estimate',
      'measure nothing; time within a factor of 1.7 on a CPU with AVX-512 and bfloat16, about 7 times too short without',
    )
    .option('--iterations <n>', 'iterations measured per program, of which the median is taken', positiveInteger, 3)
    .option('--json', 'one JSON object per training instead of a table')
    .action(async (file: string, options: { readonly estimate?: boolean; readonly iterations: number; readonly json?: boolean }) => {
      process.exitCode = await planManifest(file, options);
    });
  withStoreOptions(program.command('import'))
    .description('makes a checkpoint of a network-snapshot-*.pkl of the TensorFlow original; nothing in the file is run')
    .argument('<snapshot>', 'the pickle')
    .argument('<folder>', 'a new folder, or one that holds other snapshots of the same network')
    .option('--kimg <n>', 'thousands of real images shown, where the name of the file does not say it', positiveInteger)
    .action(importCommand);
  withStoreOptions(program.command('export'))
    .description('writes the averaged generator for other software, with a model card')
    .argument('<run>', 'run folder, or one of its checkpoints')
    .argument('<folder>', 'the folder to write')
    .requiredOption('--format <format>', 'safetensors, tfjs (for browsers) or onnx', exportFormat)
    .option('--networks <list>', 'with safetensors: any of generator-ema, generator, discriminator, separated by commas', networkNames)
    .action(exportCommand);
  videoCommands(program, () => stop?.reason);
  datasetCommands(program, process, () => stop?.reason);
  runCommands(program, process);
  return program;
}

/** Says an error once, by its code, and returns the exit code. A crash keeps its stack. */
function reportError(error: Error): number {
  if (error instanceof PgganError) {
    // The local driver says itself what a stop has come to.
    const quiet = error.code === 'Interrupted' && process.env['PGGAN_PARENT'] === 'stdin';
    if (!quiet) process.stderr.write(`error: ${error.code}: ${error.message}\n`);
    return error.exitCode;
  }
  // commander has said what was wrong; asking for help is no error.
  if ('code' in error && String(error.code).startsWith('commander.')) return 'exitCode' in error && error.exitCode === 0 ? 0 : 2;
  process.stderr.write(`error: ${error.stack ?? error.message}\n`);
  return 1;
}
