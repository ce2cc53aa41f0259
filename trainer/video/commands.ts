/** The commands `video interpolation` and `video training`. */
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PgganError } from '../../crds/errors.ts';
import { prepareBackend } from '../backend/backend.ts';
import { dataText, NOTICE } from '../export/model-facts.ts';
import { runNamed, type StoreCommandOptions, withStoreOptions } from '../store-options.ts';
import { type OpenGenerator, openGenerator, trainingOf } from '../synthesis/open-generator.ts';
import { encodeVideo } from './encoder.ts';
import { interpolationFrames, interpolationSize } from './interpolation.ts';
import { openTrainingFilm, trainingFrames } from './training.ts';

type Length = StoreCommandOptions & { readonly seconds: number; readonly fps: number };
type Interpolation = Length & { readonly grid: Grid; readonly smoothing: number; readonly seed: number };
type StopReason = () => string | undefined;
type Grid = { readonly columns: number; readonly rows: number };

/** Adds the command group `video` to a program. Failures are thrown out of `parseAsync`. `stopReason`: why to stop, once somebody asks. */
export function videoCommands(program: Command, stopReason: StopReason): void {
  const video = program.command('video').description('mp4 films of a generator or of a training (needs ffmpeg)');
  const length = (command: Command, seconds: number): Command =>
    withStoreOptions(command)
      .argument('<run>', 'run folder, or one of its checkpoints')
      .argument('<mp4>', 'the file to write')
      .option('--seconds <s>', 'length of the film', positive, seconds)
      .option('--fps <n>', 'frames per second', positive, 30);
  length(video.command('interpolation').description('a smooth walk through the latents, which ends where it began'), 60)
    .addOption(
      new Option('--grid <columns>x<rows>', 'images side by side').argParser(grid).default({ columns: 1, rows: 1 } satisfies Grid, '1x1'),
    )
    .option('--smoothing <s>', 'how slowly the images change: standard deviation of the filter over time, in seconds', positive, 1)
    .option('--seed <n>', 'the same seed makes the same walk', whole, 1000)
    .action((run: string, mp4: string, film: Interpolation) => interpolation(run, mp4, film, stopReason));
  length(video.command('training').description('the pictures of a run in order, at the pace of its clock'), 20).action(
    (run: string, mp4: string, film: Length) => training(run, mp4, film, stopReason),
  );
}

async function interpolation(run: string, mp4: string, film: Interpolation, stopReason: StopReason): Promise<void> {
  const { seconds, fps, grid, smoothing, seed } = film;
  const generator = await openRun(run, film);
  generator.warnings.forEach(warn);
  const { kind } = await prepareBackend({ threads: generator.run?.threads ?? availableParallelism(), warn });
  const mode = kind === 'native' ? 'graph' : 'eager';
  const options = { ...grid, frames: framesOf({ seconds, fps }), sigmaFrames: smoothing * fps, seed, mode } as const;
  const format = { ...interpolationSize(generator, grid), channels: generator.shape.channels, framesPerSecond: fps, stopReason };
  const count = await encodeVideo(mp4, interpolationFrames(generator, options), { ...format, tags: tagsOf(generator, 'interpolation') });
  say(mp4, count, format);
}

async function training(run: string, mp4: string, length: Length, stopReason: StopReason): Promise<void> {
  const generator = await openRun(run, length);
  const film = await openTrainingFilm(generator.store, trainingOf(generator).schedule);
  const format = { width: film.width, height: film.height, channels: 3, framesPerSecond: length.fps, stopReason };
  const frames = trainingFrames(generator.store, film, framesOf(length));
  say(mp4, await encodeVideo(mp4, frames, { ...format, tags: tagsOf(generator, 'training') }), format);
}

function openRun(run: string, options: StoreCommandOptions): Promise<OpenGenerator> {
  const { uri, s3 } = runNamed(run, options);
  return openGenerator(uri, s3);
}

function say(
  mp4: string,
  frames: number,
  format: { readonly width: number; readonly height: number; readonly framesPerSecond: number },
): void {
  const { width, height, framesPerSecond } = format;
  process.stdout.write(`wrote ${frames} frames of ${width}x${height}, ${(frames / framesPerSecond).toFixed(1)} s, to ${mp4}\n`);
}

const warn = (message: string): void => void process.stderr.write(`warning: ${message}\n`);

/** As NumPy's rint: halves go to the even number. */
function framesOf({ seconds, fps }: Length): number {
  const exact = seconds * fps;
  const frames = Math.abs(exact % 1) === 0.5 ? 2 * Math.round(exact / 2) : Math.round(exact);
  if (frames < 1) throw new PgganError('UsageInvalid', `a film of ${seconds} s at ${fps} frames per second has no frame`);
  return frames;
}

/** What the file says of itself in a player. */
function tagsOf({ run, record }: OpenGenerator, what: string): Readonly<Record<string, string>> {
  const name = run ? `${run.owner.namespace}/${run.owner.name}` : 'imported generator';
  return { title: `${name}: ${what}`, comment: `${NOTICE} Trained on: ${dataText(record.data)}.` };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('a number above 0 is wanted');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number from 0 up is wanted');
  return value;
}

function grid(text: string): Grid {
  const [columns = 0, rows = 0] = (/^(\d{1,2})x(\d{1,2})$/.exec(text) ?? []).slice(1).map(Number);
  if (columns < 1 || rows < 1) throw new InvalidArgumentError('<columns>x<rows> is wanted, such as 3x2');
  return { columns, rows };
}
