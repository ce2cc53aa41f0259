/** What the command line changes in a manifest, before it is validated; and options that npm took for its own. */
import { basename, resolve } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { fadedInImages } from '../../crds/schedule.ts';
import { resolveSchedule } from '../../crds/resolve.ts';
import { validateManifest } from '../../crds/validate.ts';
import { slug } from './data.ts';
import type { Override } from '../../crds/manifest.ts';

export type StartOptions = {
  readonly images?: string;
  readonly dataset?: string;
  readonly phantoms?: boolean;
  readonly resolution?: number;
  readonly totalKimg?: number;
  readonly name?: string;
  readonly threads?: number;
  readonly seed?: number;
  readonly output?: string;
};

type Fields = Readonly<Record<string, unknown>>;

/** Options for PGGANTrainings; a SynthesisJob is left as it is. Another resolution without totalKimg keeps the time after the last fade. */
export function overrideOf(options: StartOptions): Override {
  return {
    apply(manifest) {
      if (manifest['kind'] !== 'PGGANTraining' || !isFields(manifest['spec']) || !isFields(manifest['metadata'])) return manifest;
      const { resolution, totalKimg, threads, seed } = options;
      const given = { resolution, totalKimg, threads, seed };
      const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
      const changed = { ...manifest, spec: { ...manifest['spec'], ...changes }, metadata: { ...manifest['metadata'], ...nameOf(options) } };
      if (resolution === undefined || totalKimg !== undefined) return changed;
      const adapted = adaptedKimg(manifest, changed);
      return adapted === undefined ? changed : { ...changed, spec: { ...changed.spec, totalKimg: adapted } };
    },
    optionOf: (field) => optionsByField(options).get(field),
  };
}

/** The fields that options set, each with the option as it was typed. */
function optionsByField({ resolution, totalKimg, threads, seed, name, images }: StartOptions): ReadonlyMap<string, string> {
  const fields = [
    ['spec.resolution', '--resolution', resolution],
    ['spec.totalKimg', '--total-kimg', totalKimg],
    ['spec.threads', '--threads', threads],
    ['spec.seed', '--seed', seed],
    ['metadata.name', '--name', name],
    ['metadata.name', '--images', name === undefined ? images : undefined],
  ] as const;
  return new Map(fields.flatMap(([field, option, value]) => (value === undefined ? [] : [[field, `${option} ${value}`] as const])));
}

/**
 * Refuses a start whose options npm has taken for its own: without `--` before them it hands on npm_config_* variables, and their values as
 * arguments. @throws {PgganError} UsageInvalid, with what to type
 */
export function refuseOptionsOfNpm(options: readonly NamedOption[], env: Readonly<Record<string, string | undefined>>): void {
  if (env['npm_lifecycle_event'] !== 'start') return;
  const taken = options.filter(({ long }) => long && env[variableOf(long)] !== undefined);
  if (taken.length === 0) return;
  const typed = taken.map(({ long, required }) => (required ? `${long} ...` : long)).join(' ');
  throw new PgganError(
    'UsageInvalid',
    `npm has kept ${taken.map(({ long }) => long).join(', ')} for itself: put -- before the options, as in \`npm start -- ${typed}\``,
  );
}

/** As commander describes an option: `required` where it takes a value. */
type NamedOption = { readonly long?: string | undefined; readonly required: boolean };

const variableOf = (long: string): string => `npm_config_${long.slice(2).replaceAll('-', '_')}`;

/** A run on other images is another run, so it has another name. */
function nameOf({ name, images, resolution }: StartOptions): { readonly name?: string } {
  if (name !== undefined) return { name };
  if (images === undefined) return {};
  const base = slug(basename(resolve(images)));
  return { name: resolution === undefined ? base : `${base}-${resolution}` };
}

/** totalKimg that leaves as much training after the last fade as the manifest had at its own resolution. */
function adaptedKimg(manifest: unknown, changed: unknown): number | undefined {
  const before = fadedIn(manifest);
  const after = fadedIn(changed);
  return before && after ? before.totalKimg - before.fadedInKimg + after.fadedInKimg : undefined;
}

function fadedIn(manifest: unknown): { readonly totalKimg: number; readonly fadedInKimg: number } | undefined {
  const read = validateManifest(manifest, { local: true });
  if (!read.ok || read.object.kind !== 'PGGANTraining') return undefined;
  const { spec } = read.object;
  return { totalKimg: spec.totalKimg, fadedInKimg: fadedInImages(resolveSchedule(spec)) / 1000 };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
