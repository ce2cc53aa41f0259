/** `pggan start | status | synthesize`: the commands that need no cluster. Wiring only. */
import { basename, dirname, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { asError, EXIT, PgganError } from '../../crds/errors.ts';
import { slug } from './data.ts';
import { listenForStop, type Outcome, type StopReason } from './drive.ts';
import { commandsOf } from './help.ts';
import { parseManifests, readManifests } from '../../crds/manifest.ts';
import { folderUri } from '../../crds/run-notes.ts';
import { overrideOf, refuseOptionsOfNpm, type StartOptions } from './options.ts';
import { createScreen } from './render.ts';
import { QUICKSTART, start } from './start.ts';
import { readState } from './state.ts';
import { statusText } from './status.ts';
import { trainerCommand } from './trainer.ts';

/** What a shell calls the end by a signal: 128 and its number. */
const EXIT_SIGINT = 130;
const EXIT_SIGPIPE = 141;

type SynthesizeOptions = {
  readonly numPngs: number;
  readonly seed: number;
  readonly latents: string;
  readonly label?: number;
  readonly truncation?: string;
  readonly resolution?: number;
  readonly format: string;
  readonly minibatch: number;
  readonly threads: number;
  readonly out?: string;
};

const screen = createScreen(process.stdout);
// A reader that has gone (`| head`) is no error of ours; what trains is saved first.
process.stdout.on('error', () => {
  process.exitCode = EXIT_SIGPIPE;
});
process.stderr.on('error', () => {});

const program = new Command('pggan')
  .description('Grow a GAN on chest radiographs on this machine, from the manifest that a cluster would run.')
  .addHelpText('after', () => commandsOf(trainerCommand('--help')))
  .exitOverride();

const startCommand = program
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
  .option(
    '--output <folder>',
    'keep runs here, in <folder>/<namespace>/<name>, whatever spec.output.uri says. Without it a file:// or s3:// output is used as it is ' +
      '(s3:// with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY); datasets, the quick start, and notes on runs in s3:// go to ./runs',
  )
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
  .addOption(
    new Option('--latents <kind>', "how the seed becomes latents: NumPy's, as the original's, or numbers of each image's own")
      .choices(['RandomState', 'Philox'])
      .default('RandomState'),
  )
  .option('--label <class>', 'class of all images, from 0, of a network with labels; default: its classes in turn', integer)
  .option('--truncation <threshold>', 'draw components of latents again that are beyond this, such as 0.7; default: none is drawn again')
  .option('--resolution <pixels>', "width and height of the images, at most the network's, which is the default", integer)
  .addOption(
    new Option('--format <format>', 'PNG files, or a dataset of TFRecords that can be trained on')
      .choices(['PNG', 'TFRecord'])
      .default('PNG'),
  )
  .option('--minibatch <count>', 'images drawn at a time', integer, 8)
  .option('--threads <count>', 'threads of one operation', integer, 2)
  .option('--out <folder>', 'where the images go; default: <run>-<count> beside the run')
  .action(async (folder: string, options: SynthesizeOptions) => {
    const source = resolve(folder);
    const out = resolve(options.out ?? `${source}-${options.numPngs}`);
    const known = readState(source);
    const store = known?.kind === 'PGGANTraining' ? known.spec.store : undefined;
    const manifest = {
      apiVersion: 'pggan.dev/v1alpha1',
      kind: 'SynthesisJob',
      metadata: { name: slug(basename(out)), namespace: 'default' },
      spec: {
        checkpoint: { uri: known?.run ?? folderUri(source) },
        count: options.numPngs,
        seed: options.seed,
        latents: options.latents,
        ...(options.label !== undefined && { label: options.label }),
        ...(options.truncation !== undefined && { truncation: options.truncation }),
        ...(options.resolution !== undefined && { resolution: options.resolution }),
        format: options.format,
        minibatch: options.minibatch,
        threads: options.threads,
        output: { uri: folderUri(dirname(out)) },
        ...(store && { store }),
      },
    };
    const objects = parseManifests(JSON.stringify(manifest), 'the command line');
    const place = { folder: out, uri: folderUri(out) };
    await run((stop) => start(objects, { options: {}, quickstart: false, screen, stop, place }));
  });

program
  .command('status')
  .description('show where a run stands, without driving it')
  .argument('<run>', 'run folder, such as runs/default/quickstart')
  .option('--json', 'as JSON')
  .action((folder: string, options: { json?: boolean }) =>
    screen.line(statusText(resolve(folder), options.json === true, process.stdout.columns)),
  );

try {
  // Before commander counts arguments: the values of options that npm took are among them.
  refuseOptionsOfNpm(startCommand.options, process.env);
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = failure(thrown);
}

async function run(work: (stop: ReturnType<typeof listenForStop>) => Promise<Outcome>): Promise<void> {
  const stop = listenForStop(process.stdout);
  try {
    process.exitCode = exitCodeOf(await work(stop), stop.reason);
  } finally {
    stop.dispose();
  }
}

function exitCodeOf(outcome: Outcome, reason: StopReason | undefined): number {
  switch (outcome) {
    case 'succeeded':
    case 'suspended':
      return EXIT.complete;
    case 'stopped':
      if (reason === 'SIGINT') return EXIT_SIGINT;
      return reason === 'SIGPIPE' ? EXIT_SIGPIPE : EXIT.stopped;
    case 'stalled':
      return 1;
  }
}

function failure(thrown: unknown): number {
  const error = asError(thrown);
  screen.live(undefined);
  if (error instanceof PgganError) {
    process.stderr.write(`error: ${error.code}:${error.message.includes('\n') ? '\n' : ' '}${error.message}\n`);
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
