/** The model card that lies beside every export, for programs (model-card.json) and for people (README.md). */
import type { CheckpointManifest } from '../checkpoint/format.ts';
import { generatorWeights, parameterCount } from '../networks/weights.ts';
import { parseMetrics, TIME_FIELDS } from '../report/log.ts';
import { type Described, modelFacts, NOTICE } from './model-facts.ts';

/** Size in bytes and SHA-256 of an exported file. */
export type ExportedFile = { readonly size: number; readonly sha256: string };

export type CardOptions = Described & {
  readonly checkpointDigest: string;
  readonly manifest: CheckpointManifest;
  /** The lines of metrics.jsonl up to the checkpoint. */
  readonly metrics: string;
  readonly files: Readonly<Record<string, ExportedFile>>;
};

export type ModelCard = ReturnType<typeof modelCard>;

/** The card as plain data. No address of a store is in it: a card is published, a store is not. */
export function modelCard({ checkpointDigest, manifest, metrics, files, ...described }: CardOptions) {
  const { record, run, shape, images, lod } = described;
  const { model, training, data, intendedUse } = modelFacts(described);
  const { resolution, channels, latentSize, labelSize } = shape;
  return {
    version: 1,
    model,
    synthetic: true,
    notice: NOTICE,
    intendedUse,
    limits: [
      'The images show no patient, but a generator can repeat what it was trained on: compare with the training images before publishing.',
      'It has learned the population, the devices and the errors of its training images, and nothing beyond them.',
      'Its images carry no diagnosis that anybody has made.',
    ],
    licence:
      'The software is under the Apache License 2.0. The weights are derived from the training images: whoever publishes them answers for the terms of those images.',
    training: {
      name: training,
      images,
      kimg: images / 1000,
      lod,
      ...(run ? { precision: run.precision, seed: run.seed, mirrorAugment: run.mirrorAugment, schedule: run.schedule } : {}),
    },
    data: { ...record.data, description: data },
    network: { ...shape, parameters: parameterCount(generatorWeights(shape)) },
    input: { latents: `[N, ${latentSize}], standard normal`, ...(labelSize > 0 ? { labels: `[N, ${labelSize}], one-hot` } : {}) },
    output: {
      images: `${resolution / 2 ** Math.floor(lod)} pixels a side, ${channels === 1 ? 'grey' : 'RGB'}, about [-1, 1], not clipped`,
    },
    measured: lastMeasured(metrics, images),
    lineage: {
      fingerprint: record.fingerprint,
      checkpoint: { digest: checkpointDigest, weightsDigest: manifest.weightsDigest, time: manifest.time },
      ...(run ? { initFrom: record.parts['initFrom'] ?? null } : { snapshot: snapshotOf(manifest) }),
    },
    software: record.software,
    files,
  };
}

/** The card as Markdown. */
export function cardText(card: ModelCard): string {
  const { training, data, network, measured, lineage, files } = card;
  const facts: readonly (readonly [string, string])[] = [
    ['Training', training.name],
    ['Data', data.description],
    ['Images shown', `${training.images} (${training.kimg} kimg)`],
    ['Resolution', `${network.resolution}x${network.resolution}${training.lod > 0 ? `, grown to lod ${training.lod.toFixed(2)}` : ''}`],
    ['Network', `${network.parameters} weights, ${network.channels === 1 ? 'grey' : 'RGB'}, ${network.labelSize} classes`],
    ['Input', Object.entries(card.input).map(entry).join('; ')],
    ['Output', Object.entries(card.output).map(entry).join('; ')],
    ['Weights', `SHA-256 ${lineage.checkpoint.weightsDigest}`],
    ['Came from', origin(lineage)],
    [
      'Software',
      Object.entries(card.software)
        .map(([name, version]) => `${name} ${JSON.stringify(version).replaceAll('"', '')}`)
        .join(', '),
    ],
  ];
  return [
    `# ${card.model}`,
    `**${card.notice}**`,
    ['| | |', '|---|---|', ...facts.map(([name, value]) => `| ${name} | ${value} |`)].join('\n'),
    `## Intended use\n\n${card.intendedUse}.`,
    `## Limits\n\n${card.limits.map((limit) => `- ${limit}`).join('\n')}`,
    `## Measured\n\n${measured ? `At ${measured.images} images: ${Object.entries(measured.values).map(entry).join(', ')}.` : 'Nothing is known.'}`,
    `## Licence\n\n${card.licence}`,
    `## Files\n\n${Object.entries(files)
      .map(([name, { size, sha256 }]) => `- \`${name}\`: ${size} bytes, SHA-256 ${sha256}`)
      .join('\n')}\n`,
  ].join('\n\n');
}

const entry = ([name, value]: readonly [string, unknown]): string => `${name} ${String(value)}`;

function origin(lineage: ModelCard['lineage']): string {
  if ('snapshot' in lineage) return lineage.snapshot ? `${lineage.snapshot.file}, SHA-256 ${lineage.snapshot.sha256}` : 'a snapshot';
  return lineage.initFrom === null ? 'random weights' : `another run: ${JSON.stringify(lineage.initFrom)}`;
}

/** The file that a checkpoint was imported from. */
function snapshotOf({ parent }: CheckpointManifest): { readonly file: string; readonly sha256: string } | null {
  return parent && { file: parent.uri.split('/').at(-1) ?? parent.uri, sha256: parent.digest };
}

const SCHEDULE_FIELDS = ['tick', 'images', 'kimg', 'lod', 'resolution', 'minibatch', 'epochs'];

/** What the last tick up to `images` measured: everything but its place in the schedule and the clock. */
function lastMeasured(
  metrics: string,
  images: number,
): { readonly images: number; readonly values: Readonly<Record<string, number>> } | null {
  const last = parseMetrics(metrics).findLast((tick) => Number(tick['images']) <= images);
  if (!last) return null;
  const other: readonly string[] = [...SCHEDULE_FIELDS, ...TIME_FIELDS];
  const values = Object.entries(last).flatMap(([name, value]) =>
    typeof value === 'number' && !other.includes(name) ? [[name, value] as const] : [],
  );
  return { images: Number(last['images']), values: Object.fromEntries(values) };
}
