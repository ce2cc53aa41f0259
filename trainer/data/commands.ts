/** The commands `dataset create-from-images`, `create-phantoms`, `verify`, `extract` and `upload`. */
import { type Command, InvalidArgumentError } from 'commander';
import { PgganError } from '../../crds/errors.ts';
import { accessOf, type StoreCommandOptions, withStoreOptions } from '../store-options.ts';
import { type ProgressStream, progressBar } from '../report/progress-bar.ts';
import { createFromImages, type ImagesPlan } from './create-from-images.ts';
import { extractDataset } from './extract.ts';
import { createPhantoms } from './phantoms.ts';
import { uploadDataset } from './upload.ts';
import { verifyDataset } from './verify.ts';
import { datasetBytes } from './write-dataset.ts';

/** Where results and progress are written; `process` is one. */
export type DatasetIo = { readonly stdout: { write(text: string): unknown }; readonly stderr: ProgressStream };

/** Adds the command group `dataset` to a program. Failures are thrown out of `parseAsync`; `stopReason` is asked between images. */
export function datasetCommands(program: Command, io: DatasetIo, stopReason: () => string | undefined = () => undefined): void {
  const dataset = program.command('dataset').description('make, check and unpack datasets of multi-resolution TFRecords');
  const say = (line: string): unknown => io.stdout.write(`${line}\n`);
  const note = (line: string): void => void io.stderr.write(`${line}\n`);
  const bar = (title: string): ((done: number, total: number) => void) => {
    const { update } = progressBar(io.stderr, title);
    return (done, total) => {
      const reason = stopReason();
      if (reason !== undefined) {
        if (io.stderr.isTTY) io.stderr.write('\n');
        throw new PgganError('Interrupted', `stopped on request (${reason}) while ${title}: nothing half-made is left`);
      }
      update(done, total);
    };
  };

  dataset
    .command('create-from-images')
    .description('make a dataset of a folder of PNG and JPEG files; every file is checked before anything is written')
    .argument('<tfrecord_dir>', 'the dataset folder to make')
    .argument('<image_dir>', 'the folder of images; folders within it and hidden files are passed over')
    .option(
      '--resize <size>',
      'reduce every image to this size by area averaging; one that is not square is cropped around its centre first',
      whole,
    )
    .option('--grayscale', 'turn colours into luminance (ITU-R BT.601)')
    .option('--shuffle <0|1>', 'shuffle in the fixed order of the original tool, or keep the order of the file names', zeroOrOne, true)
    .option('--name <name>', "what the dataset's files begin with (default: the folder's name)")
    .action(async (folder: string, imageDir: string, options: { resize?: number; grayscale?: true; shuffle: boolean; name?: string }) => {
      const onPlan = (plan: ImagesPlan): unknown => say(planned(folder, plan));
      const { images } = await createFromImages({
        folder,
        imageDir,
        ...options,
        onPlan,
        onCheck: bar('checking'),
        onWrite: bar('writing'),
      });
      say(`wrote ${images} images to ${folder}`);
    });

  dataset
    .command('create-phantoms')
    .description('make a dataset of synthetic chest radiographs, labelled "phantom"')
    .argument('<tfrecord_dir>', 'the dataset folder to make')
    .option('--count <n>', 'number of images', whole, 2000)
    .option('--resolution <size>', 'size of the largest images', whole, 64)
    .option('--seed <n>', 'the same seed makes the same images', whole, 1000)
    .option('--opacity <share>', 'share of the images, 0 to 1, that show an opacity', share, 0)
    .option('--name <name>', "what the dataset's files begin with (default: the folder's name)")
    .action(async (folder: string, options: { count: number; resolution: number; seed: number; opacity: number; name?: string }) => {
      say(
        `${options.count} phantoms of ${options.resolution}x${options.resolution}: ${size(datasetBytes(1, options.resolution, options.count))}`,
      );
      await createPhantoms({ folder, ...options, onProgress: bar('drawing') });
      say(`wrote ${options.count} phantoms to ${folder}`);
    });

  withStoreOptions(dataset.command('verify'))
    .description('check every byte of a dataset: checksums, shapes, labels, reduced images')
    .argument('<tfrecord_dir>', 'the dataset folder, or its s3:// address')
    .action(async (folder: string, options: StoreCommandOptions) => {
      const found = await verifyDataset(folder, bar('verifying'), { s3: accessOf(options), note });
      const form = `${found.images} images of ${found.resolution}x${found.resolution}, ${found.channels === 1 ? 'grey' : 'RGB'}`;
      const labels = found.labelSize > 0 ? `labels of ${found.labelSize}` : 'no labels';
      const bytes = [...found.bytes.values()].reduce((a, b) => a + b, 0);
      say(`${found.name}: ${form}, ${labels}, source: ${found.source.kind}, ${size(bytes)}, digest ${found.digest}`);
    });

  withStoreOptions(dataset.command('extract'))
    .description('write the images of a dataset as img00000000.png, ...')
    .argument('<tfrecord_dir>', 'the dataset folder, or its s3:// address')
    .argument('<output_dir>', 'an empty or a new folder')
    .action(async (folder: string, outputDir: string, options: StoreCommandOptions) => {
      const images = await extractDataset(folder, outputDir, bar('extracting'), { s3: accessOf(options), note });
      say(`wrote ${images} images to ${outputDir}`);
    });

  withStoreOptions(dataset.command('upload'))
    .description('copy a dataset folder to an object store, for trainings on a cluster; what is there already is not sent again')
    .argument('<tfrecord_dir>', 'the dataset folder')
    .argument('<address>', 'as s3://bucket/datasets/name')
    .action(async (folder: string, address: string, options: StoreCommandOptions) => {
      const found = await uploadDataset(folder, address, accessOf(options), ({ name, bytes }) => note(`sending ${name}, ${size(bytes)}`));
      say(`${found.images} images in ${found.uri}, digest ${found.digest}`);
    });
}

function planned(folder: string, { images, channels, resolution, bytes, passedOver }: ImagesPlan): string {
  const form = `${images} ${channels === 1 ? 'grey' : 'RGB'} images of ${resolution}x${resolution}`;
  const listed = passedOver.slice(0, 5).join(', ') + (passedOver.length > 5 ? ', ...' : '');
  const passed = passedOver.length > 0 ? `\npassed over ${passedOver.length} folders and hidden files: ${listed}` : '';
  return `${form}: ${size(bytes)} in ${folder}${passed}`;
}

/** Bytes as people read them; the exact number too, as it is what a disk has to hold. */
function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]} (${bytes} B)`;
}

function whole(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Not a whole number.');
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Not a number from 0 to 1.');
}

function zeroOrOne(text: string): boolean {
  if (text === '0' || text === '1') return text === '1';
  throw new InvalidArgumentError('Use 0 or 1.');
}
