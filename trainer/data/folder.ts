/** The dataset folder: what its files are called, and the description (dataset.json) that says where its images come from. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { asError, PgganError } from '../../crds/errors.ts';
import { canonicalJson } from '../../crds/run.ts';
import type { FileDigest } from '../checkpoint/file-digest.ts';
import { codeOf } from '../checkpoint/file-errors.ts';

/** Resolutions that a dataset may have at its top. */
export const MIN_RESOLUTION = 4;
export const MAX_RESOLUTION = 1024;

export const recordsName = (name: string, resolution: number): string =>
  `${name}-r${String(Math.log2(resolution)).padStart(2, '0')}.tfrecords`;
export const labelsName = (name: string): string => `${name}-rxx.labels`;
export const DESCRIPTION = 'dataset.json';

const fileEntry = z.object({ name: z.string(), bytes: z.number(), sha256: z.string() });

/**
 * `phantom`: drawn by `dataset create-phantoms`; whatever is made from such a dataset says so. `synthetic`: drawn by a generator, which was
 * trained on such data. `unknown`: the folder has no description.
 */
const source = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('phantom'), seed: z.number(), opacity: z.number() }),
  z.object({ kind: z.literal('images'), grayscale: z.boolean(), resizedTo: z.number().optional(), shuffled: z.boolean() }),
  z.object({ kind: z.literal('synthetic'), trainedOn: z.enum(['phantom', 'images', 'unknown']), checkpoint: z.string() }),
  z.object({ kind: z.literal('unknown') }),
]);

/**
 * dataset.json stands beside the files that every reader of the format knows, which pass it over. It is no part of the dataset's digest:
 * that is of what a network sees.
 */
const description = z.object({
  format: z.literal(1),
  name: z.string(),
  source,
  images: z.number(),
  channels: z.number(),
  resolution: z.number(),
  labelSize: z.number(),
  files: z.array(fileEntry).readonly(),
});

export type FileEntry = Readonly<z.infer<typeof fileEntry>>;
export type DatasetSource = Readonly<z.infer<typeof source>>;
/** Whether a dataset shows phantoms, drawn by a program or by a generator that was trained on those. */
export const showsPhantoms = (source: DatasetSource): boolean =>
  source.kind === 'phantom' || (source.kind === 'synthetic' && source.trainedOn === 'phantom');
export type Description = Readonly<z.infer<typeof description>>;

/** A dataset's data files by their names; `levels` rise from 4x4 without a gap. */
export type DatasetFiles = {
  readonly name: string;
  readonly levels: readonly { readonly resolution: number; readonly file: string }[];
  readonly labels?: string;
};

/** The path of a dataset folder given as a path or a file:// URI; s3:// is opened elsewhere. @throws {PgganError} DatasetInvalid for any other URI */
export function localFolder(pathOrUri: string): string {
  if (pathOrUri.startsWith('file://')) return fileURLToPath(pathOrUri);
  if (/^[a-z0-9]+:\/\//.test(pathOrUri))
    throw new PgganError('DatasetInvalid', `${pathOrUri} is no dataset that can be opened here: name a path, a file:// or an s3:// URI`);
  return pathOrUri;
}

/** The files of a dataset folder. @throws {PgganError} StoreUnavailable where the folder is absent, DatasetInvalid where its files make no dataset */
export async function folderFiles(folder: string): Promise<DatasetFiles> {
  return datasetFiles(folder, await namesIn(folder));
}

/** Finds the files of a dataset among `names`; `folder` is what messages call it. @throws {PgganError} DatasetInvalid */
export function datasetFiles(folder: string, names: readonly string[]): DatasetFiles {
  const records = names.filter((name) => name.endsWith('.tfrecords'));
  const parsed = records.map((name) => ({ name, match: /^(.*)-r(\d\d)\.tfrecords$/.exec(name) }));
  if (records.length === 0) throw invalid(folder, 'holds no *.tfrecords file');
  const foreign = parsed.filter(({ match }) => !match).map(({ name }) => name);
  if (foreign.length > 0)
    throw invalid(folder, `holds ${foreign.join(', ')}, which is not called <name>-r<log2 of the resolution>.tfrecords`);
  const datasets = [...new Set(parsed.map(({ match }) => match?.[1] ?? ''))];
  const [name = ''] = datasets;
  if (datasets.length > 1) throw invalid(folder, `holds files of several datasets: ${datasets.join(', ')}`);
  const exponents = parsed.map(({ match }) => Number(match?.[2])).sort((a, b) => a - b);
  const missing = Array.from({ length: (exponents.at(-1) ?? 2) - 1 }, (_, i) => i + 2).filter((exponent) => !exponents.includes(exponent));
  if (missing.length > 0) throw invalid(folder, `lacks ${missing.map((exponent) => recordsName(name, 2 ** exponent)).join(', ')}`);
  const labels = names.filter((candidate) => candidate.endsWith('.labels'));
  if (labels.length > 1) throw invalid(folder, `holds several label files: ${labels.join(', ')}`);
  const levels = exponents.map((exponent) => ({ resolution: 2 ** exponent, file: recordsName(name, 2 ** exponent) }));
  return { name, levels, ...(labels[0] === undefined ? {} : { labels: labels[0] }) };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (codeOf(cause) === 'ENOTDIR')
      throw new PgganError('DatasetInvalid', `dataset ${folder} is a file: name the folder that holds it`, { cause });
    const reason = codeOf(cause) === 'ENOENT' ? 'the folder is not there' : asError(cause).message;
    throw new PgganError('StoreUnavailable', `cannot open dataset ${folder}: ${reason}`, { cause });
  }
}

/** The folder's dataset.json, or undefined where it has none. @throws {PgganError} DatasetInvalid */
export async function readDescription(folder: string): Promise<Description | undefined> {
  const file = join(folder, DESCRIPTION);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw new PgganError('StoreUnavailable', `cannot read ${file}: ${asError(cause).message}`, { cause });
  }
  return parseDescription(text, file);
}

/** @param file what messages call it @throws {PgganError} DatasetInvalid */
export function parseDescription(text: string, file: string): Description {
  try {
    return description.parse(JSON.parse(text));
  } catch (cause) {
    throw new PgganError('DatasetInvalid', `${file} is not a description of a dataset: ${asError(cause).message.split('\n')[0]}`, {
      cause,
    });
  }
}

/**
 * The dataset's part of a run's fingerprint: SHA-256 over size and SHA-256 of each data file. Files go by their role (r02, ..., labels), so
 * that a dataset renamed or moved stays itself.
 */
export function datasetDigest(dataset: DatasetFiles, digests: ReadonlyMap<string, FileDigest>): string {
  const roles: Record<string, FileDigest> = {};
  const add = (role: string, name: string): void => {
    const found = digests.get(name);
    if (!found) throw new Error(`no digest was made of ${name}`);
    roles[role] = found;
  };
  for (const { resolution, file } of dataset.levels) add(`r${String(Math.log2(resolution)).padStart(2, '0')}`, file);
  if (dataset.labels !== undefined) add('labels', dataset.labels);
  const files = Object.fromEntries(Object.entries(roles).map(([role, { bytes, sha256 }]) => [role, { bytes, sha256 }]));
  return createHash('sha256').update(canonicalJson(files)).digest('hex');
}

function invalid(folder: string, found: string): PgganError {
  return new PgganError('DatasetInvalid', `dataset ${folder} ${found}`);
}
