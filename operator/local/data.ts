/** Where a local training's images come from: a dataset folder, a folder of images, or phantoms; made once, kept by what went into it. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asError, PgganError } from '../../crds/errors.ts';
import { canonicalJson } from '../../crds/run.ts';
import type { Screen } from './render.ts';
import { trainerCommand } from './trainer.ts';

export type Source =
  | { readonly kind: 'dataset'; readonly folder: string }
  | { readonly kind: 'images'; readonly folder: string; readonly resolution: number; readonly channels: number }
  | { readonly kind: 'phantoms'; readonly count: number; readonly resolution: number; readonly seed: number };

export type Dataset = { readonly folder: string; readonly label: string };

/** Images that phantoms are made in: enough for 1,000 fakes to be compared with, made in seconds. */
export const PHANTOM_COUNT = 2000;

/** The dataset folder of a source; made below `cache` where it is not there yet. @throws {PgganError} DatasetInvalid, ImagesInvalid */
export async function prepareDataset(source: Source, cache: string, screen: Screen): Promise<Dataset> {
  switch (source.kind) {
    case 'dataset':
      if (!existsSync(source.folder))
        throw new PgganError(
          'DatasetInvalid',
          `${source.folder} is not there: name a dataset folder with --dataset, or images with --images`,
        );
      return { folder: source.folder, label: source.folder };
    case 'images': {
      const { resolution, channels } = source;
      const folder = join(
        cache,
        `${slug(basename(resolve(source.folder)))}-${resolution}-${keyOf({ ...source, files: listing(source.folder) })}`,
      );
      const grey = channels === 1 ? ['--grayscale'] : [];
      if (!isMade(folder)) {
        screen.line(`Making a dataset of ${source.folder} at ${resolution}x${resolution} in ${folder}`);
        await make(['create-from-images', folder, source.folder, '--resize', String(resolution), ...grey], cache);
      }
      return { folder, label: source.folder };
    }
    case 'phantoms': {
      const { count, resolution, seed } = source;
      const folder = join(cache, `phantoms-${resolution}-${keyOf(source)}`);
      if (!isMade(folder)) {
        screen.line(`Drawing ${count} phantom radiographs at ${resolution}x${resolution} in ${folder} (synthetic: no patient is in them)`);
        await make(
          ['create-phantoms', folder, '--count', String(count), '--resolution', String(resolution), '--seed', String(seed)],
          cache,
        );
      }
      return { folder, label: 'phantoms (drawn, not photographed)' };
    }
  }
}

/** A dataset folder is made under another name and moved whole, so that it is there or it is not. */
const isMade = (folder: string): boolean => existsSync(folder) && readdirSync(folder).some((file) => file.endsWith('.tfrecords'));

/** A local path of a file:// URI; other URIs cannot be read here. */
export function datasetFolder(uri: string): string {
  if (uri.startsWith('file://')) return fileURLToPath(uri);
  throw new PgganError(
    'DatasetInvalid',
    `spec.dataset.uri is ${uri}, which only a cluster's pods reach: name a dataset folder with --dataset, a folder of images with --images, or --phantoms`,
  );
}

/** Name, size and time of every file: what decides whether a dataset is still that of its folder. */
function listing(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => {
        const { size, mtimeMs } = statSync(join(folder, name));
        return `${name} ${size} ${mtimeMs}`;
      });
  } catch (cause) {
    throw new PgganError(
      'ImagesInvalid',
      `${folder} cannot be read: ${asError(cause).message}; name a folder of PNG or JPEG files with --images`,
      { cause },
    );
  }
}

function keyOf(inputs: object): string {
  return createHash('sha256').update(canonicalJson(inputs)).digest('hex').slice(0, 10);
}

/** A name of lower-case letters, digits and '-', as objects have. */
export function slug(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 40) || 'run'
  );
}

async function make(args: readonly string[], cache: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const [file = '', ...rest] = trainerCommand('dataset', ...args);
  const child = spawn(file, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise<number | null>((done, failed) => {
    child.once('error', failed);
    child.once('close', done);
  });
  if (code === 0) return;
  if (code === null || code === 75)
    throw new PgganError('Interrupted', 'stopped while the dataset was made; nothing of it is kept, start again to make it');
  throw new PgganError('ImagesInvalid', 'the dataset was not made, for the reasons above');
}
