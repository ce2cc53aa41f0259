/** `pggan import`: a snapshot of the TensorFlow original becomes a checkpoint, and the manifest that goes on from it is printed. */
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { asError, PgganError } from '../../../crds/errors.ts';
import { softwareVersions } from '../../software.ts';
import { accessOf, folderUri, type StoreCommandOptions } from '../../store-options.ts';
import { openStore } from '../open-store.ts';
import { type Imported, type ImportSource, importSnapshot } from './import.ts';

type Options = StoreCommandOptions & { readonly kimg?: number };

/** @throws {PgganError} */
export async function importCommand(file: string, folder: string, options: Options): Promise<void> {
  const { kimg } = options;
  const store = openStore(folderUri(folder), { s3: accessOf(options) });
  const imported = await importSnapshot(store, { ...(await sourceOf(file)), kimg }, softwareVersions(), new Date());
  const { ref, manifest } = imported.checkpoint;
  const how = imported.kind === 'new' ? 'imported' : 'imported already:';
  const { lod, shape } = imported.snapshot;
  const grown = shape.resolution / 2 ** Math.floor(lod);
  process.stdout.write(
    `${how} ${basename(file)} (SHA-256 ${imported.snapshot.sha256.slice(0, 12)}..., after ${manifest.images / 1000} kimg, at ${grown}x${grown}, lod ${lod.toFixed(2)}) as\n${ref.uri}\n\n${continuation(imported)}`,
  );
}

async function sourceOf(file: string): Promise<ImportSource> {
  try {
    const { mtime } = await stat(file);
    return { name: basename(file), uri: pathToFileURL(resolve(file)).href, bytes: await readFile(file), modified: mtime };
  } catch (cause) {
    throw new PgganError('SnapshotInvalid', `${file} cannot be read: ${asError(cause).message}`, { cause });
  }
}

/** The part of a manifest that the snapshot decides. Everything is said, so that no preset can change it. */
function continuation({ snapshot: { shape, lod }, checkpoint }: Imported): string {
  const { resolution, labelSize, fmapDecay, pixelnormEpsilon, ...network } = shape;
  const spec = {
    resolution,
    network: { ...network, fmapDecay: String(fmapDecay), pixelnormEpsilon: String(pixelnormEpsilon) },
    initFrom: { checkpoint: { uri: checkpoint.ref.uri }, startKimg: checkpoint.manifest.images / 1000 },
  };
  return [
    '# To train on from it, a PGGANTraining needs:',
    `# - a schedule that comes to lod ${lod.toFixed(2)} at startKimg, as the original run's did`,
    ...(labelSize > 0 ? [`# - a dataset with labels of ${labelSize} classes`] : ['# - a dataset without labels']),
    stringify({ spec }),
  ].join('\n');
}
