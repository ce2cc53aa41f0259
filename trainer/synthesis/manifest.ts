/** What a folder of synthetic images says of itself: which generator, which seed, and the digest of every image. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import type { SynthesisRun } from '../../crds/run.ts';
import { digestOf, jsonBytes, parseJson } from '../checkpoint/format.ts';
import { JOB, RUN } from '../checkpoint/run-folder.ts';
import type { Store } from '../checkpoint/store.ts';
import type { OpenGenerator } from './open-generator.ts';
import { sideOf } from './pixels.ts';

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
});
const image = z.object({ index: z.number(), file: z.string(), sha256: z.string() });
const shardManifest = z.object({ shard: z.number(), count: z.number(), images: z.array(image) });

export type ManifestImage = Readonly<z.infer<typeof image>>;

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
  const foreign = (await store.head(JOB)) ? undefined : (await store.list('images/'))[0];
  if (foreign) {
    throw new PgganError(
      'FingerprintMismatch',
      `${store.uri} holds ${foreign.key} but no ${JOB}: nobody can tell whether its images are synthetic. Name another output folder`,
    );
  }
  if (await store.write(JOB, [jsonBytes(mine)], { kind: 'absent' })) return;
  const bytes = await store.read(JOB);
  if (!bytes) return claimImages(store, run, generator);
  const found = parseJson(job, bytes, `${JOB} in ${store.uri}`);
  const differing = [
    ...(found.checkpoint.weightsDigest === mine.checkpoint.weightsDigest
      ? []
      : [`checkpoint ${found.checkpoint.uri} in the folder, ${mine.checkpoint.uri} wanted`]),
    ...(['seed', 'latents', 'label', 'truncation', 'resolution', 'channels', 'labelSize', 'shards'] as const).flatMap((field) =>
      found[field] === mine[field] ? [] : [`${field} ${found[field] ?? 'not set'} in the folder, ${mine[field] ?? 'not set'} wanted`],
    ),
  ];
  if (differing.length === 0) return;
  throw new PgganError(
    'FingerprintMismatch',
    `${store.uri} holds other synthetic images: ${differing.join('; ')}. Name another output folder, or delete this one`,
  );
}

/** Writes this shard's part and, when every shard's is there, manifest.json; returns where it is and its digest, or undefined when shards are missing. */
export async function finishManifest(
  store: Store,
  run: SynthesisRun,
  generator: OpenGenerator,
  images: readonly ManifestImage[],
): Promise<{ readonly uri: string; readonly digest: string } | undefined> {
  await store.write(shardKey(run.shard), [jsonBytes({ shard: run.shard, count: run.count, images: byIndex(images) })]);
  const all: ManifestImage[] = [];
  for (let shard = 0; shard < run.shards; shard++) {
    const bytes = await store.read(shardKey(shard));
    const part = bytes && parseJson(shardManifest, bytes, `${shardKey(shard)} in ${store.uri}`);
    // A part of an earlier, smaller count is not this job's yet.
    if (part?.count !== run.count) return undefined;
    // One by one: as arguments of one call, a hundred thousand overflow the stack.
    for (const each of part.images) all.push(each);
  }
  const manifest = jsonBytes({ ...jobOf(run, generator), count: run.count, images: byIndex(all) });
  await store.write(MANIFEST, [manifest]);
  return { uri: `${store.uri}/${MANIFEST}`, digest: digestOf([manifest]).sha256 };
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
  };
}

const shardKey = (shard: number): string => `manifests/shard-${String(shard).padStart(4, '0')}.json`;

const byIndex = (images: readonly ManifestImage[]): ManifestImage[] => [...images].sort((a, b) => a.index - b.index);
