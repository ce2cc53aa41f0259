/** Turns a folder of PNG and JPEG files into a dataset; every file is checked before anything is written. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asError, PgganError } from '../../crds/errors.ts';
import { codeOf } from '../checkpoint/file-errors.ts';
import { channelsFirst } from './channels.ts';
import { decodePicture, type Picture } from './decode.ts';
import { type Description, MAX_RESOLUTION, MIN_RESOLUTION } from './folder.ts';
import { numpyShuffledOrder } from './mt19937.ts';
import { cropToSquare, reduceTo, toGrey } from './resize.ts';
import { checkTarget, datasetBytes, type OnProgress, refuseExisting, writeDataset } from './write-dataset.ts';

export type CreateFromImages = {
  /** The dataset folder to make; it must not be there yet. */
  readonly folder: string;
  readonly imageDir: string;
  /** What the dataset's files begin with; the folder's own name unless given. */
  readonly name?: string | undefined;
  /** Reduce every image to this size; one that is not square is cropped around its centre first. */
  readonly resize?: number | undefined;
  readonly grayscale?: boolean;
  /** The reference's fixed order, that of NumPy's RandomState(123).shuffle (default), or the order of the file names. */
  readonly shuffle?: boolean;
  /** Called once all files are found good, before anything is written. */
  readonly onPlan?: (plan: ImagesPlan) => void;
  readonly onCheck?: OnProgress;
  readonly onWrite?: OnProgress;
};

/** What is about to be written. */
export type ImagesPlan = {
  readonly images: number;
  readonly channels: 1 | 3;
  readonly resolution: number;
  readonly bytes: number;
  /** Entries of the folder that were passed over: folders and hidden files. */
  readonly passedOver: readonly string[];
};

/**
 * @throws {PgganError} ImagesInvalid with one line for each offending file; DatasetExists, StoreFull, StoreUnavailable
 */
export async function createFromImages(options: CreateFromImages): Promise<Description> {
  refuseExisting(options.folder);
  checkResize(options.resize);
  const { files, passedOver } = await imageFiles(options.imageDir);
  const { channels, size: resolution } = await checkAll(files, options);
  const plan = { folder: options.folder, name: options.name, channels, resolution, images: files.length };
  await checkTarget(plan);
  options.onPlan?.({ images: files.length, channels, resolution, bytes: datasetBytes(channels, resolution, files.length), passedOver });
  const shuffled = options.shuffle ?? true;
  const order = shuffled ? numpyShuffledOrder(SHUFFLE_SEED, files.length) : files.map((_, i) => i);
  const grayscale = options.grayscale ?? false;
  const source = { kind: 'images', grayscale, shuffled, ...(options.resize === undefined ? {} : { resizedTo: options.resize }) } as const;
  const image = (index: number): Promise<Uint8Array> => pixelsOf(files[order[index] ?? 0] ?? '', options, { channels, size: resolution });
  return await writeDataset({ ...plan, source }, image, options.onWrite);
}

/** The reference shuffles with this seed, always. */
const SHUFFLE_SEED = 123;
/** Files that are decoded at once; decoding runs on libuv's threads. */
const AT_ONCE = 8;
/** Offending files that a message lists; the number of the others is said. */
const LISTED = 100;

function checkResize(resize: number | undefined): void {
  if (resize === undefined || isResolution(resize)) return;
  throw new PgganError('UsageInvalid', `--resize ${resize}: must be a power of two from ${MIN_RESOLUTION} to ${MAX_RESOLUTION}`);
}

const isResolution = (size: number): boolean => size >= MIN_RESOLUTION && size <= MAX_RESOLUTION && Number.isInteger(Math.log2(size));

async function imageFiles(imageDir: string): Promise<{ readonly files: readonly string[]; readonly passedOver: readonly string[] }> {
  const entries = await readdir(imageDir, { withFileTypes: true }).catch((cause: unknown) => {
    const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such folder', ENOTDIR: 'is a file, not a folder of images' };
    throw new PgganError('ImagesInvalid', `${imageDir}: ${reasons[codeOf(cause) ?? ''] ?? asError(cause).message}`, { cause });
  });
  const names = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
  const passedOver = entries.filter((entry) => entry.isDirectory() || entry.name.startsWith('.'));
  const folders = passedOver.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  if (names.length === 0) {
    const hint = folders.length > 0 ? ` (${folders.slice(0, 5).join(', ')}: folders within it and hidden files are passed over)` : '';
    throw new PgganError('ImagesInvalid', `${imageDir} holds no images${hint}`);
  }
  return { files: names.sort().map((name) => join(imageDir, name)), passedOver: folders };
}

type Form = { readonly channels: 1 | 3; readonly size: number };
type Outcome = { readonly file: string; readonly form: Form } | { readonly file: string; readonly reason: string };

/** Decodes every file; the first good one says what all must be like. */
async function checkAll(files: readonly string[], options: CreateFromImages): Promise<Form> {
  const outcomes: Outcome[] = [];
  for (let first = 0; first < files.length; first += AT_ONCE) {
    outcomes.push(...(await Promise.all(files.slice(first, first + AT_ONCE).map((file) => check(file, options)))));
    options.onCheck?.(outcomes.length, files.length);
  }
  const model = outcomes.find((outcome) => 'form' in outcome);
  const problems = outcomes.flatMap((outcome) => {
    const reason = 'reason' in outcome ? outcome.reason : model && unlike(outcome.form, model);
    return reason === undefined ? [] : [`${outcome.file} ${reason}`];
  });
  if (model && problems.length === 0) return model.form;
  const more = problems.length > LISTED ? `\n  and ${problems.length - LISTED} more` : '';
  const listed = problems.slice(0, LISTED).map((problem) => `\n  ${problem}`);
  throw new PgganError(
    'ImagesInvalid',
    `${problems.length} of ${files.length} files cannot be used; nothing was written:${listed.join('')}${more}`,
  );
}

async function check(file: string, options: CreateFromImages): Promise<Outcome> {
  const decoded = await decodePicture(file);
  if (decoded.kind === 'refused') return { file, reason: decoded.reason };
  const { picture } = decoded;
  const reason = whyUnfit(picture, options.resize);
  if (reason !== undefined) return { file, reason };
  return { file, form: { channels: options.grayscale ? 1 : picture.channels, size: options.resize ?? picture.width } };
}

function whyUnfit({ width, height }: Picture, resize: number | undefined): string | undefined {
  const found = `is ${width}x${height}`;
  if (resize !== undefined) {
    return Math.min(width, height) < resize
      ? `${found}, smaller than --resize ${resize}: enlarging adds no detail, so choose a smaller size`
      : undefined;
  }
  if (width !== height) return `${found}, not square: crop it, or use --resize (which crops around the centre)`;
  if (width < MIN_RESOLUTION) return `${found}, too small: the smallest size is ${MIN_RESOLUTION}x${MIN_RESOLUTION}`;
  if (width > MAX_RESOLUTION) return `${found}, too large: the largest size is ${MAX_RESOLUTION}x${MAX_RESOLUTION}; use --resize`;
  if (!isResolution(width)) return `${found}, not a power of two: use --resize ${2 ** Math.floor(Math.log2(width))}`;
  return undefined;
}

const colourOf = (form: Form): string => (form.channels === 1 ? 'grey' : 'RGB');

function unlike(form: Form, model: { readonly file: string; readonly form: Form }): string | undefined {
  if (form.size !== model.form.size)
    return `is ${form.size}x${form.size}, but ${model.file} is ${model.form.size}x${model.form.size}: use --resize`;
  if (form.channels === model.form.channels) return undefined;
  return `is ${colourOf(form)}, but ${model.file} is ${colourOf(model.form)}: use --grayscale to make all grey`;
}

/** Pixels of a file that was found good, C,H,W; it may have changed since. */
async function pixelsOf(file: string, options: CreateFromImages, form: Form): Promise<Uint8Array> {
  const decoded = await decodePicture(file);
  if (decoded.kind === 'refused') throw new PgganError('ImagesInvalid', `${file} ${decoded.reason} (it was good a moment ago)`);
  const coloured = options.grayscale ? toGrey(decoded.picture) : decoded.picture;
  const picture = options.resize === undefined ? coloured : reduceTo(cropToSquare(coloured), options.resize);
  if (picture.width !== form.size || picture.height !== form.size || picture.channels !== form.channels) {
    throw new PgganError('ImagesInvalid', `${file} has changed while the dataset was written`);
  }
  return channelsFirst(picture.pixels, picture.channels);
}
