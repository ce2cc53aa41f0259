/** A training that takes seconds: its manifest, its dataset, and its run folder as a reader without our code would see it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createPhantoms } from '../../trainer/data/phantoms.ts';

export const PHANTOMS = 200;

/** Spec fields that replace those of the tiny training. */
export type TinySpec = Readonly<Record<string, unknown>> & { readonly resolution?: number };

/** A folder with a dataset of phantoms, in which runs are made; `remove` it after the tests. */
export type Workspace = {
  readonly folder: string;
  readonly dataset: string;
  /** Writes the manifest of the training `name`, whose runs go below `output`; returns the file's path. */
  manifest(name: string, output: string, spec?: TinySpec): string;
  /** Writes a manifest of a SynthesisJob whose images go below `output`; returns the file's path. */
  synthesis(name: string, output: string, spec: Readonly<Record<string, unknown>>): string;
  /** The folder of an object. */
  runFolder(name: string, output: string): string;
  remove(): void;
};

export async function createWorkspace(resolution: number): Promise<Workspace> {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-test-'));
  const dataset = join(folder, 'phantoms');
  await createPhantoms({ folder: dataset, count: PHANTOMS, resolution, seed: 7 });
  const write = (kind: string, name: string, output: string, spec: object): string => {
    const file = join(folder, `${output}-${name}.yaml`);
    const object = { apiVersion: 'pggan.dev/v1alpha1', kind, metadata: { name, namespace: 'default' }, spec };
    writeFileSync(file, JSON.stringify(object));
    return file;
  };
  return {
    folder,
    dataset,
    manifest: (name, output, spec = {}) =>
      write('PGGANTraining', name, output, {
        dataset: { uri: uriOf(dataset) },
        output: { uri: uriOf(join(folder, output)) },
        resolution,
        totalKimg: 4,
        schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 16, tickKimgBase: 1 },
        network: { channels: 1, fmapBase: 64, fmapMax: 16, latentSize: 16 },
        threads: 1,
        checkpoints: { everyKimg: 1, everySeconds: 3600, keepLast: 2 },
        ...spec,
      }),
    synthesis: (name, output, spec) =>
      write('SynthesisJob', name, output, { threads: 1, output: { uri: uriOf(join(folder, output)) }, ...spec }),
    runFolder: (name, output) => join(folder, output, 'default', name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const uriOf = (path: string): string => pathToFileURL(path).href;

export type CheckpointFolder = {
  readonly images: number;
  readonly folder: string;
  readonly files: readonly string[];
  /** checkpoint.json, where there is one: without it there is no checkpoint. */
  readonly manifest: CheckpointJson | undefined;
};

export type CheckpointJson = {
  readonly images: number;
  readonly phaseEnd: number | null;
  readonly weightsDigest: string;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
};

export type StateJson = {
  readonly imagesAtIterationStart: number;
  readonly attempt: number;
  readonly environment: Readonly<Record<string, unknown>>;
};

/** What lies below checkpoints/, in rising order of images. */
export function checkpointFolders(run: string): readonly CheckpointFolder[] {
  const folder = join(run, 'checkpoints');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const files = existsSync(path) ? readdirSync(path) : [];
      const manifest = files.includes('checkpoint.json') ? readJson(join(path, 'checkpoint.json')) : undefined;
      return { images: Number(name), folder: path, files, manifest: manifest as CheckpointJson | undefined };
    });
}

/** The newest checkpoint that exists; undefined before the first. */
export function newestCheckpoint(run: string): (CheckpointFolder & { readonly manifest: CheckpointJson }) | undefined {
  return checkpointFolders(run)
    .flatMap((folder) => (folder.manifest ? [{ ...folder, manifest: folder.manifest }] : []))
    .at(-1);
}

export const stateOf = (checkpoint: CheckpointFolder): StateJson =>
  readJson(join(checkpoint.folder, partOf(checkpoint, 'state'))) as StateJson;

/** The name of the file that holds a part, such as `generator`: it also names the process that wrote it. */
export function partOf({ folder, manifest }: CheckpointFolder, part: string): string {
  const name = Object.keys(manifest?.files ?? {}).find((file) => new RegExp(`^${part}-\\d{4}\\.`).test(file));
  if (name === undefined) throw new Error(`checkpoint.json in ${folder} names no ${part}`);
  return name;
}

/** The contents of a JSON file that is known to be there. */
export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
