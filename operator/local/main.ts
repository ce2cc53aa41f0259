/** `pggan start | status | synthesize`: the commands that need no cluster. Wiring only. */
import { basename, dirname, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { asError, EXIT, PgganError } from '../../crds/errors.ts';
import { slug } from './data.ts';
import { listenForStop, type Outcome } from './drive.ts';
import { parseManifests, readManifests } from '../../crds/manifest.ts';
import { overrideOf, type StartOptions } from './options.ts';
import { createScreen } from './render.ts';
import { QUICKSTART, start } from './start.ts';
import { statusText } from './status.ts';
import { folderUri } from './trainer.ts';

/** What a shell calls the end by Ctrl-C. */
const EXIT_SIGINT = 130;

const screen = createScreen(process.stdout);
const program = new Command('pggan')
  .description('Grow a GAN on chest radiographs on this machine, from the manifest that a cluster would run.')
  .exitOverride();

program
  .command('start')
  .description('train, or synthesize, what a manifest says; run again, it goes on where it stopped')
  .argument('[manifest]', 'YAML file with PGGANTraining and SynthesisJob objects; absent: a small training on drawn phantoms')
  .option('--images <folder>', 'train on the PNG and JPEG files of a folder, converted to the size and channels of the training')
  .option('--dataset <folder>', 'train on a dataset folder (TFRecords)')
  .option('--phantoms', 'train on drawn phantoms')
  .option('--resolution <pixels>', 'width and height of the finished images', integer)
  .option('--total-kimg <kimg>', 'thousands of images to show', integer)
  .option('--threads <count>', 'threads of one operation (part of exact repetition)', integer)
  .option('--seed <number>', 'seed of all random numbers', integer)
  .option('--name <name>', 'name of the run')
  .option('--output <folder>', 'where runs and datasets are kept', 'runs')
  .action(async (file: string | undefined, options: StartOptions) => {
    const path = file ?? QUICKSTART;
    const objects = await readManifests(path, overrideOf(options));
    await run((stop) => start(objects, { options, quickstart: resolve(path) === QUICKSTART, screen, stop }));
  });

program
  .command('synthesize')
  .description('draw synthetic images with the network of a run')
  .argument('<run>', 'run folder, or folder of one checkpoint')
  .requiredOption('--num-pngs <count>', 'images wanted', integer)
  .option('--seed <number>', 'seed of the latent vectors', integer, 1000)
  .option('--minibatch <count>', 'images drawn at a time', integer, 8)
  .option('--threads <count>', 'threads of one operation', integer, 2)
  .option('--out <folder>', 'where the images go; default: <run>-<count> beside the run')
  .action(async (folder: string, options: { numPngs: number; seed: number; minibatch: number; threads: number; out?: string }) => {
    const source = resolve(folder);
    const out = resolve(options.out ?? `${source}-${options.numPngs}`);
    const spec = {
      checkpoint: { uri: folderUri(source) },
      count: options.numPngs,
      seed: options.seed,
      minibatch: options.minibatch,
      threads: options.threads,
    };
    const metadata = { name: slug(basename(out)), namespace: 'default' };
    const manifest = {
      apiVersion: 'pggan.dev/v1alpha1',
      kind: 'SynthesisJob',
      metadata,
      spec: { ...spec, output: { uri: folderUri(dirname(out)) } },
    };
    const objects = parseManifests(JSON.stringify(manifest), 'the command line');
    await run((stop) => start(objects, { options: { output: dirname(out) }, quickstart: false, screen, stop, folder: out }));
  });

program
  .command('status')
  .description('show where a run stands, without driving it')
  .argument('<run>', 'run folder, such as runs/default/quickstart')
  .option('--json', 'as JSON')
  .action((folder: string, options: { json?: boolean }) => screen.line(statusText(resolve(folder), options.json === true)));

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = failure(thrown);
}

async function run(work: (stop: ReturnType<typeof listenForStop>) => Promise<Outcome>): Promise<void> {
  const stop = listenForStop();
  try {
    process.exitCode = exitCodeOf(await work(stop), stop.reason);
  } finally {
    stop.dispose();
  }
}

function exitCodeOf(outcome: Outcome, reason: string | undefined): number {
  switch (outcome) {
    case 'succeeded':
    case 'suspended':
      return EXIT.complete;
    case 'stopped':
      return reason === 'SIGINT' ? EXIT_SIGINT : EXIT.stopped;
    case 'stalled':
      return 1;
  }
}

function failure(thrown: unknown): number {
  const error = asError(thrown);
  screen.live(undefined);
  if (error instanceof PgganError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  // commander has told what is wrong with the command line, or shown the help that was asked for.
  if ('exitCode' in error && typeof error.exitCode === 'number') return error.exitCode === 0 ? 0 : EXIT.invalid;
  process.stderr.write(`${error.stack ?? error.message}\n`);
  return 1;
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
