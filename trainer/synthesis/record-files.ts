/**
 * Images as TFRecords: one dataset folder for each shard, as the original's tool lays it out. No object of a store can be appended to, so images
 * are first kept in parts of some 16 MiB, of which a restart takes up the whole ones, and put together when the last is there.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import { digestOf, jsonBytes, parseJson } from '../checkpoint/format.ts';
import type { StoreEntry } from '../checkpoint/store.ts';
import { withWorkingFolder } from '../checkpoint/working-folder.ts';
import { parseExample, type Shape } from '../data/example.ts';
import { DESCRIPTION, type DatasetSource, recordsName } from '../data/folder.ts';
import { recordBytes, recordEncoder, recordPayload } from '../data/tfrecord.ts';
import { writeDataset } from '../data/write-dataset.ts';
import type { ImageFiles, Keeping, Watch } from './image-files.ts';
import { type Entries, type Entry, isUnchanged } from './journal.ts';
import { labelsOf } from './latents.ts';
import type { ImagePlace } from './manifest.ts';
import { type Shard, shardName } from './shard.ts';

/** Gathered in memory before they are written, and drawn again after a kill. */
const PART_BYTES = 16 * 2 ** 20;
const MOST_IMAGES = 500;
const NAME = 'synthetic';

/** Images of a part. */
export const partImages = (shape: Shape): number => Math.min(MOST_IMAGES, Math.max(1, Math.floor(PART_BYTES / recordBytes(shape))));

/** Written when the dataset is whole, before its parts are removed. */
const datasetEnd = z.object({
  images: z.number(),
  files: z.array(z.object({ key: z.string(), size: z.number(), version: z.string() })),
});

export async function recordFiles(keeping: Keeping): Promise<ImageFiles> {
  const { store, generator, shard, journal, side } = keeping;
  const shape: Shape = [generator.shape.channels, side, side];
  const bytes = recordBytes(shape);
  const encode = recordEncoder(shape);
  const parts = new Map((await store.list(partsFolder(shard))).map((found) => [found.key, found]));
  const isWhole = await hasDataset(keeping);
  /** Records of the part that is being drawn. */
  let open: { readonly index: number; readonly record: Uint8Array }[] = [];
  const writePart = async (block: number, images: typeof open): Promise<void> => {
    const file = partKey(shard, block);
    const written = await store.write(
      file,
      images.map(({ record }) => record),
    );
    const common = { file, size: images.length * bytes, version: written?.version ?? '' };
    await journal.write(
      block,
      images.map(({ index, record }) => ({ index, ...common, sha256: digestOf([record]).sha256 })),
    );
  };

  return {
    async takeUp(block, { warn, stop }) {
      const noted = await journal.read(block);
      const indexes = shard.indexes(block);
      const part = parts.get(partKey(shard, block));
      if (stop.requested || indexes.some((index) => !noted.has(index))) return new Map();
      if (isWhole) return of(noted, indexes);
      if (!part) return new Map();
      if (indexes.every((index) => isUnchanged(noted.get(index) as Entry, part))) return of(noted, indexes);
      const content = await store.read(part.key);
      const damaged = indexes.find((index, place) => digestOf([recordAt(content, place, bytes)]).sha256 !== noted.get(index)?.sha256);
      if (damaged === undefined) return of(noted, indexes);
      warn(`${part.key} in ${store.uri} does not hold image ${damaged} as it was written`);
      return new Map();
    },
    async add(images) {
      for (const { index, pixels } of images) {
        open.push({ index, record: encode(pixels) });
        const block = shard.blockOf(index);
        if (open.length < shard.indexes(block).length) continue;
        const whole = open;
        open = [];
        await writePart(block, whole);
      }
    },
    // A part is written whole or not at all.
    flush: async () => {
      open = [];
    },
    async finish(watch) {
      if (!isWhole && !(await putTogether(keeping, shape, watch))) return false;
      for (const { key } of await store.list(partsFolder(shard))) await store.remove(key);
      return true;
    },
  };
}

/** Where an image of a finished shard is. */
export function recordPlace({ side, shards }: { readonly side: number; readonly shards: number }) {
  return ({ index }: Entry, shard: Shard): ImagePlace => ({
    file: `${datasetFolder(shard.number, shards)}${recordsName(NAME, side)}`,
    record: shard.placeOf(index),
  });
}

const partsFolder = ({ number }: Shard): string => `parts/${shardName(number)}/`;
const partKey = (shard: Shard, block: number): string => `${partsFolder(shard)}${String(block).padStart(6, '0')}.tfrecords`;
/** Readers of the format take a folder for one dataset. */
const datasetFolder = (shard: number, shards: number): string => (shards === 1 ? 'dataset/' : `dataset-${shardName(shard)}/`);
const endKey = ({ number }: Shard): string => `manifests/dataset-${shardName(number)}.json`;

const of = (noted: Entries, indexes: readonly number[]): Entries => new Map(indexes.map((index) => [index, noted.get(index) as Entry]));

const recordAt = (part: Buffer | undefined, place: number, bytes: number): Buffer =>
  part?.subarray(place * bytes, (place + 1) * bytes) ?? Buffer.alloc(0);

/** Whether an earlier process has put this shard's dataset together, of as many images, and nobody has changed it since. */
async function hasDataset({ store, run, shard }: Keeping): Promise<boolean> {
  const bytes = await store.read(endKey(shard));
  if (!bytes) return false;
  const end = parseJson(datasetEnd, bytes, `${endKey(shard)} in ${store.uri}`);
  const present = new Map((await store.list(datasetFolder(shard.number, run.shards))).map((found) => [found.key, found]));
  return (
    end.images === shard.images &&
    end.files.every(({ key, size, version }) => {
      const found = present.get(key);
      return found?.size === size && found.version === version;
    })
  );
}

/** Makes the dataset in scratch space, file by file of every resolution, and uploads it; false where a stop was requested before it was there. */
async function putTogether(keeping: Keeping, shape: Shape, watch: Watch): Promise<boolean> {
  const { store, run, shard, generator, side } = keeping;
  const read = partReader(keeping, recordBytes(shape));
  const alive = (): void => {
    watch.step();
    if (watch.stop.requested) throw new StoppedInBetween();
  };
  try {
    await withWorkingFolder(async (working) => {
      const folder = join(working, NAME);
      const { channels } = generator.shape;
      const labels = labelRows(keeping);
      const plan = { folder, channels, resolution: side, images: shard.images, source: sourceOf(keeping), ...(labels && { labels }) };
      const { files } = await writeDataset(plan, read, alive);
      const target = datasetFolder(shard.number, run.shards);
      const uploaded: StoreEntry[] = [];
      for (const name of [...files.map((file) => file.name), DESCRIPTION]) {
        const written = await store.upload(`${target}${name}`, join(folder, name));
        if (written) uploaded.push(written);
        alive();
      }
      await store.write(endKey(shard), [jsonBytes({ images: shard.images, files: uploaded })]);
    });
    return true;
  } catch (error) {
    if (error instanceof StoppedInBetween) return false;
    throw error;
  }
}

class StoppedInBetween extends Error {}

/** Pixels of the shard's image at a place, of which each part is read once and its records are compared with what the journal says. */
function partReader({ store, shard, journal }: Keeping, bytes: number): (place: number) => Promise<Uint8Array> {
  let last: { readonly block: number; readonly content: Promise<readonly [Buffer | undefined, Entries]> } | undefined;
  return async (place) => {
    const images = shard.indexes(0).length;
    const block = Math.floor(place / images);
    const key = partKey(shard, block);
    if (last?.block !== block) last = { block, content: Promise.all([store.read(key), journal.read(block)]) };
    const [part, noted] = await last.content;
    const record = recordAt(part, place % images, bytes);
    const index = shard.indexes(block)[place % images] ?? -1;
    if (digestOf([record]).sha256 === noted.get(index)?.sha256) return parseExample(recordPayload(record)).data;
    throw new PgganError(
      'CheckpointInvalid',
      `${key} in ${store.uri} does not hold image ${index} as it was written: delete it, and start the job again`,
    );
  };
}

/** One row per image, one of whose values is 1. */
function labelRows({ run, generator, shard }: Keeping) {
  const size = generator.shape.labelSize;
  if (size === 0) return undefined;
  const labelOf = labelsOf(run, size);
  const values = new Float32Array(shard.images * size);
  for (let block = 0; block < shard.blocks; block++) {
    for (const index of shard.indexes(block)) values[shard.placeOf(index) * size + (labelOf(index) ?? 0)] = 1;
  }
  return { rows: shard.images, size, values };
}

const sourceOf = ({ generator }: Keeping): DatasetSource => ({
  kind: 'synthetic',
  trainedOn: generator.record.data.label,
  checkpoint: generator.checkpoint.digest,
});
