/** Where a local training's images come from: a dataset, a folder of images, or phantoms; made once, kept by what went into it. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asError, EXIT, PgganError } from '../../crds/errors.ts';
import { canonicalJson } from '../../crds/run.ts';
import { folderUri } from '../../crds/run-notes.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import type { StopWish } from './drive.ts';
import { shown } from './finish.ts';
import type { StartOptions } from './options.ts';
import type { Screen } from './render.ts';
import { runTrainer } from './subprocess.ts';

type Source =
  | { readonly kind: 'dataset'; readonly folder: string }
  /** Reached by the trainer, not by the driver. */
  | { readonly kind: 'remote'; readonly uri: string }
  | { readonly kind: 'images'; readonly folder: string; readonly resolution: number; readonly channels: number }
  | { readonly kind: 'phantoms'; readonly count: number; readonly resolution: number; readonly seed: number };

/** `label` says what it is, to people. */
export type Dataset = { readonly uri: string; readonly label: string };

/** Images that phantoms are made in: enough for 1,000 fakes to be compared with, made in seconds. */
const PHANTOM_COUNT = 2000;

/** What options and manifest name; `drawn`: phantoms unless the options name something else. @throws {PgganError} DatasetInvalid */
export function sourceOf({ spec }: PGGANTraining, { images, dataset, phantoms }: StartOptions, drawn: boolean): Source {
  const { resolution, seed } = spec;
  if (images !== undefined) return { kind: 'images', folder: resolve(images), resolution, channels: spec.network?.channels ?? 1 };
  if (dataset !== undefined) return { kind: 'dataset', folder: resolve(dataset) };
  if (drawn || phantoms === true) return { kind: 'phantoms', count: PHANTOM_COUNT, resolution, seed };
  const { uri } = spec.dataset;
  if (uri.startsWith('s3://')) return { kind: 'remote', uri };
  if (uri.startsWith('file://')) return { kind: 'dataset', folder: fileURLToPath(uri) };
  throw new PgganError(
    'DatasetInvalid',
    `spec.dataset.uri is ${uri}, which only a cluster's pods reach: name a dataset folder with --dataset, a folder of images with --images, or --phantoms`,
  );
}

/**
 * The dataset of a source; made below `cache` where it is not there yet. Undefined where it was stopped: nothing half-made is left.
 * @throws {PgganError} DatasetInvalid, ImagesInvalid
 */
export async function prepareDataset(source: Source, cache: string, screen: Screen, stop: StopWish): Promise<Dataset | undefined> {
  switch (source.kind) {
    case 'remote':
      return { uri: source.uri, label: source.uri };
    case 'dataset':
      if (!existsSync(source.folder))
        throw new PgganError(
          'DatasetInvalid',
          `${source.folder} is not there: name a dataset folder with --dataset, or images with --images`,
        );
      return { uri: folderUri(source.folder), label: source.folder };
    case 'images': {
      const { resolution, channels } = source;
      const folder = join(
        cache,
        `${slug(basename(resolve(source.folder)))}-${resolution}-${keyOf({ ...source, files: listing(source.folder) })}`,
      );
      const grey = channels === 1 ? ['--grayscale'] : [];
      const title = `Making a dataset of ${shown(source.folder)} at ${resolution}x${resolution} in ${shown(folder)}`;
      const args = ['create-from-images', folder, source.folder, '--resize', String(resolution), ...grey];
      return (await made(folder, title, args, screen, stop)) ? { uri: folderUri(folder), label: source.folder } : undefined;
    }
    case 'phantoms': {
      const { count, resolution, seed } = source;
      const folder = join(cache, `phantoms-${resolution}-${keyOf(source)}`);
      const title = `Drawing ${count} phantom radiographs at ${resolution}x${resolution} in ${shown(folder)} (synthetic: no patient is in them)`;
      const args = ['create-phantoms', folder, '--count', String(count), '--resolution', String(resolution), '--seed', String(seed)];
      return (await made(folder, title, args, screen, stop))
        ? { uri: folderUri(folder), label: 'phantoms (drawn, not photographed)' }
        : undefined;
    }
  }
}

/** Makes a dataset folder unless it is there; false where it was stopped. */
async function made(folder: string, title: string, args: readonly string[], screen: Screen, stop: StopWish): Promise<boolean> {
  if (stop.reason !== undefined) return false;
  if (isMade(folder)) return true;
  screen.line(title);
  const { exitCode } = await runTrainer(['dataset', ...args], 'shown', stop);
  if (stop.reason !== undefined) return false;
  switch (exitCode) {
    case EXIT.complete:
      return true;
    case EXIT.storeUnavailable:
      throw new PgganError('StoreUnavailable', `${folder} was not made, for the reason above`);
    case undefined:
    default:
      throw new PgganError('ImagesInvalid', 'the dataset was not made, for the reasons above');
  }
}

/** A dataset folder is made under another name and moved whole, so that it is there or it is not. */
const isMade = (folder: string): boolean => existsSync(folder) && readdirSync(folder).some((file) => file.endsWith('.tfrecords'));

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
