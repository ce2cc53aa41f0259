/** Writes a generator into a folder in a format that other software reads, with its model card. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import { checkpointKey, digestOf, jsonBytes, parseJson, type TensorFileName } from '../checkpoint/format.ts';
import { loadCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { serializeSafetensors } from '../checkpoint/safetensors.ts';
import type { Store } from '../checkpoint/store.ts';
import { joinLogs, METRICS } from '../report/run-log.ts';
import { softwareVersions } from '../software.ts';
import type { OpenGenerator } from '../synthesis/open-generator.ts';
import { browserPage } from './browser-page.ts';
import { generatorLayers } from './layers.ts';
import { cardText, type ExportedFile, modelCard } from './model-card.ts';
import { modelFacts, NOTICE } from './model-facts.ts';
import { onnxGenerator } from './onnx.ts';
import { type ModelFiles, tfjsGenerator } from './tfjs.ts';

export const FORMATS = ['safetensors', 'tfjs', 'onnx'] as const;
export type ExportFormat = (typeof FORMATS)[number];

/** The networks of a checkpoint; the averaged generator is what images are made with. */
export const NETWORKS = ['generator-ema', 'generator', 'discriminator'] as const satisfies readonly TensorFileName[];
export type NetworkName = (typeof NETWORKS)[number];

const TITLES: Readonly<Record<NetworkName, string>> = {
  'generator-ema': 'PG-GAN generator, averaged weights (Karras et al., ICLR 2018)',
  generator: 'PG-GAN generator, weights of the last step (Karras et al., ICLR 2018)',
  discriminator: 'PG-GAN discriminator (Karras et al., ICLR 2018)',
};

const CARD = 'model-card.json';

/**
 * Writes the files and returns their names. Further formats of the same weights may follow into the same folder.
 * @param networks which ones, of safetensors; the other formats hold the averaged generator alone
 * @throws {PgganError} ExportExists where the folder holds anything else
 */
export async function exportGenerator(
  generator: OpenGenerator,
  format: ExportFormat,
  networks: readonly NetworkName[],
  into: Store,
): Promise<readonly string[]> {
  const before = await filesOf(into, generator);
  const described = { ...generator, images: generator.checkpoint.images };
  const written: Record<string, ExportedFile> = {};
  for (const [name, parts] of await modelFiles(generator, format, networks, modelFacts(described))) {
    await into.write(name, parts);
    written[name] = digestOf(parts);
  }
  const logs = await joinLogs(generator.store, generator.manifest, () => undefined);
  const card = modelCard({
    ...described,
    checkpointDigest: generator.checkpoint.digest,
    metrics: logs[METRICS] ?? '',
    files: { ...before, ...written },
  });
  await into.write('README.md', [Buffer.from(cardText(card))]);
  await into.write(CARD, [jsonBytes(card)]);
  return [...Object.keys(written), 'README.md', CARD];
}

/** The files of a format by name, in parts. */
async function modelFiles(
  generator: OpenGenerator,
  format: ExportFormat,
  networks: readonly NetworkName[],
  metadata: Readonly<Record<string, string>>,
): Promise<ModelFiles> {
  const { shape, weights, lod } = generator;
  const version = softwareVersions()['pggan-operator'] ?? 'unknown';
  switch (format) {
    case 'safetensors': {
      const { files } = await loadCheckpoint(generator.store, checkpointKey(generator.checkpoint.images), { files: networks });
      const serialized = (name: NetworkName) => serializeSafetensors(files[name].tensors, { ...metadata, model: TITLES[name] });
      return new Map(networks.map((name) => [`${name}.safetensors`, serialized(name)]));
    }
    case 'tfjs':
      return new Map([...tfjsGenerator(generatorLayers(shape, weights, lod), { version, metadata }), ...browserPage()]);
    case 'onnx':
      return new Map([['generator.onnx', onnxGenerator(generatorLayers(shape, weights, lod), { version, description: NOTICE, metadata })]]);
  }
}

const previousCard = z.object({
  lineage: z.object({ checkpoint: z.object({ weightsDigest: z.string() }) }),
  files: z.record(z.string(), z.object({ size: z.number(), sha256: z.string() })),
});

/** What earlier exports of the same weights have written there. */
async function filesOf(into: Store, { weightsDigest }: OpenGenerator): Promise<Readonly<Record<string, ExportedFile>>> {
  const bytes = await into.read(CARD);
  const refuse = (what: string): never => {
    throw new PgganError('ExportExists', `${into.uri} ${what}: name another folder`);
  };
  if (!bytes) {
    const foreign = (await into.list(''))[0];
    return foreign ? refuse(`holds ${foreign.key} but no ${CARD}, so it is no export`) : {};
  }
  const card = parseJson(previousCard, bytes, `${CARD} in ${into.uri}`);
  return card.lineage.checkpoint.weightsDigest === weightsDigest ? card.files : refuse('holds an export of other weights');
}
