/** `pggan export`: the generator of a run, for other software. */
import { InvalidArgumentError } from 'commander';
import { PgganError } from '../../crds/errors.ts';
import { openStore } from '../checkpoint/open-store.ts';
import { accessOf, folderUri, runNamed, type StoreCommandOptions } from '../store-options.ts';
import { openGenerator } from '../synthesis/open-generator.ts';
import { type ExportFormat, exportGenerator, FORMATS, type NetworkName, NETWORKS } from './export.ts';

type Options = StoreCommandOptions & { readonly format: ExportFormat; readonly networks?: readonly NetworkName[] };

/** @throws {PgganError} */
export async function exportCommand(run: string, folder: string, options: Options): Promise<void> {
  const { format, networks } = options;
  if (networks && format !== 'safetensors')
    throw new PgganError('UsageInvalid', `--networks goes with --format safetensors: ${format} holds the averaged generator alone`);
  const { uri, s3 } = runNamed(run, options);
  const generator = await openGenerator(uri, s3);
  for (const warning of generator.warnings) process.stderr.write(`warning: ${warning}\n`);
  const files = await exportGenerator(
    generator,
    format,
    networks ?? ['generator-ema'],
    openStore(folderUri(folder), { s3: accessOf(options) }),
  );
  process.stdout.write(`exported ${generator.checkpoint.uri} to ${folder}: ${files.join(', ')}\n`);
}

export function exportFormat(text: string): ExportFormat {
  return FORMATS.find((format) => format === text) ?? refuse(`one of ${FORMATS.join(', ')} is wanted`);
}

export function networkNames(text: string): readonly NetworkName[] {
  return text
    .split(',')
    .map((name) => NETWORKS.find((known) => known === name.trim()) ?? refuse(`any of ${NETWORKS.join(', ')} are wanted`));
}

function refuse(problem: string): never {
  throw new InvalidArgumentError(problem);
}
