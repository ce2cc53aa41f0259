/** What a folder of synthetic images says of itself: which generator, which seed, and the digest of every image. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { jsonBytes, MAX_DOCUMENT_BYTES, parseJson } from '../checkpoint/format.ts';
import { JOB, RUN } from '../checkpoint/run-folder.ts';
import type { Store } from '../checkpoint/store.ts';
import type { Keeping } from './image-files.ts';
import { type Entry, type Journal, openJournal } from './journal.ts';
import type { OpenGenerator } from './open-generator.ts';
import { sideOf } from './pixels.ts';
import { type Shard, shardName, shardOf } from './shard.ts';
import { writeThroughFile } from './written-file.ts';

const MANIFEST = 'manifest.json';

const job = z.object({
  version: z.literal(1),
  synthetic: z.literal(true),
  notice: z.string(),
  data: z.enum(['phantom', 'images', 'unknown']),
  checkpoint: z.object({ uri: z.string(), digest: z.string(), images: z.number(), weightsDigest: z.string() }),
  seed: z.number(),
  latents: z.enum(['RandomState', 'Philox']).default('Philox'),
  label: z.number().optional(),
  truncation: z.number().optional(),
  resolution: z.number(),
  channels: z.number(),
  labelSize: z.number(),
  shards: z.number(),
  format: z.enum(['PNG', 'TFRecord']).default('PNG'),
});
/** Written when a shard has its images, of so many in all: a larger job in the same folder goes on from there. */
const shardEnd = z.object({ shard: z.number(), count: z.number() });

/** Where an image of a finished shard is: its file, and in a file of many which record it is. */
export type ImagePlace = { readonly file: string; readonly record?: number };

/**
 * Makes the folder this job's, or finds that it is already, so that images of two generators or seeds never lie side by side.
 * @throws {PgganError} FingerprintMismatch
 */
export async function claimImages(store: Store, run: SynthesisRun, generator: OpenGenerator): Promise<void> {
  const mine = jobOf(run, generator);
  if (await store.head(RUN)) {
    throw new PgganError(
      'FingerprintMismatch',
      `${store.uri} is the folder of a training (it holds ${RUN}): give the SynthesisJob another name, or another output folder`,
    );
  }
  const foreign = (await store.head(JOB)) ? undefined : ((await store.list('images/'))[0] ?? (await store.list('dataset'))[0]);
  if (foreign) {
    throw new PgganError(
      'FingerprintMismatch',
      `${store.uri} holds ${foreign.key} but no ${JOB}: nobody can tell whether its images are synthetic. Name another output folder`,
    );
  }
  if (await store.write(JOB, [jsonBytes(mine)], { kind: 'absent' })) return;
  const bytes = await store.read(JOB, MAX_DOCUMENT_BYTES);
  if (!bytes) return claimImages(store, run, generator);
  const found = parseJson(job, bytes, `${JOB} in ${store.uri}`);
  const differing = [
    ...(found.checkpoint.weightsDigest === mine.checkpoint.weightsDigest
      ? []
      : [`checkpoint ${found.checkpoint.uri} in the folder, ${mine.checkpoint.uri} wanted`]),
    ...(['seed', 'latents', 'label', 'truncation', 'resolution', 'channels', 'labelSize', 'shards', 'format'] as const).flatMap((field) =>
      found[field] === mine[field] ? [] : [`${field} ${found[field] ?? 'not set'} in the folder, ${mine[field] ?? 'not set'} wanted`],
    ),
  ];
  if (differing.length === 0) return;
  throw new PgganError(
    'FingerprintMismatch',
    `${store.uri} holds other synthetic images: ${differing.join('; ')}. Name another output folder, or delete this one`,
  );
}

/**
 * Notes that this shard is done and, when every shard is, writes manifest.json, one image a line and never whole in memory; returns where it is
 * and its digest, or undefined when shards are missing.
 */
export async function finishManifest(
  { store, run, generator, shard }: Pick<Keeping, 'store' | 'run' | 'generator' | 'shard'>,
  blockImages: number,
  placeOf: (entry: Entry, shard: Shard) => ImagePlace,
): Promise<{ readonly uri: string; readonly digest: string } | undefined> {
  await store.write(endKey(shard.number), [jsonBytes({ shard: shard.number, count: run.count })]);
  const all: Noted[] = [];
  for (let number = 0; number < run.shards; number++) {
    const bytes = await store.read(endKey(number));
    // The end of an earlier, smaller count is not this job's yet.
    if ((bytes && parseJson(shardEnd, bytes, `${endKey(number)} in ${store.uri}`))?.count !== run.count) return undefined;
    all.push({ shard: shardOf({ ...run, shard: number }, blockImages), journal: await openJournal(store, number) });
  }
  const manifest = manifestText({ ...jobOf(run, generator), count: run.count }, imagesOf(store, all, placeOf));
  return { uri: `${store.uri}/${MANIFEST}`, digest: await writeThroughFile(store, MANIFEST, manifest) };
}

type Noted = { readonly shard: Shard; readonly journal: Journal };

/** Block by block: block b of any shard holds the indexes between those of all blocks b - 1 and all blocks b + 1. */
async function* imagesOf(store: Store, all: readonly Noted[], placeOf: (entry: Entry, shard: Shard) => ImagePlace) {
  for (let block = 0; block < (all[0]?.shard.blocks ?? 0); block++) {
    const images: ({ readonly index: number; readonly sha256: string } & ImagePlace)[] = [];
    for (const { shard, journal } of all) {
      const noted = await journal.read(block);
      for (const index of shard.indexes(block)) {
        const entry = noted.get(index) ?? lost(store, shard, index);
        images.push({ index, ...placeOf(entry, shard), sha256: entry.sha256 });
      }
    }
    yield* images.sort((a, b) => a.index - b.index);
  }
}

function lost(store: Store, { number }: Shard, index: number): never {
  throw new PgganError(
    'CheckpointInvalid',
    `${store.uri} has lost the note of image ${index} in its journal: delete ${endKey(number)} there, and run shard ${number} again`,
  );
}

async function* manifestText(head: object, images: AsyncIterable<object>): AsyncGenerator<string> {
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "images": [`;
  let separator = '\n';
  for await (const image of images) {
    yield `${separator}    ${JSON.stringify(image)}`;
    separator = ',\n';
  }
  yield '\n  ]\n}\n';
}

function jobOf(run: SynthesisRun, { shape, record, checkpoint, weightsDigest }: OpenGenerator): z.infer<typeof job> {
  return {
    version: 1,
    synthetic: true,
    notice: 'Synthetic images made by a neural network. For research; not for diagnosis.',
    data: record.data.label,
    checkpoint: { uri: checkpoint.uri, digest: checkpoint.digest, images: checkpoint.images, weightsDigest },
    seed: run.seed,
    latents: run.latents ?? 'Philox',
    ...(run.label !== undefined && { label: run.label }),
    ...(run.truncation !== undefined && { truncation: run.truncation }),
    resolution: sideOf(run, shape),
    channels: shape.channels,
    labelSize: shape.labelSize,
    shards: run.shards,
    format: run.format ?? 'PNG',
  };
}

const endKey = (shard: number): string => `manifests/${shardName(shard)}.json`;
