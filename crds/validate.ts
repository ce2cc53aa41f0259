/** Validates a manifest as the API server would: unknown fields, defaults, schema, then CEL rules; every problem at once, by field. */
import { type Problem, evaluateRules } from './cel.ts';
import { KINDS } from './crd.ts';
import { checkSchema } from './schema-check.ts';
import { type Structural, objectSchema } from './structural.ts';
import { API_VERSION, type Kind, NO_FILE_URI } from './v1alpha1/common.ts';
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';
import type { SynthesisJob } from './v1alpha1/synthesis-job.ts';

export type Validated =
  | { readonly ok: true; readonly object: PGGANTraining | SynthesisJob }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export type ValidateOptions = {
  /** A local run: file:// URIs are allowed, everything else is as on a cluster. */
  readonly local?: boolean;
  /** The object that the manifest would replace, as validated before: what may not change is compared with it. */
  readonly old?: PGGANTraining | SynthesisJob;
};

/** The object that `manifest` (parsed YAML or JSON) describes with all defaults filled in, or everything that is wrong with it. A status in it is ignored. */
export function validateManifest(manifest: unknown, options: ValidateOptions = {}): Validated {
  if (!isRecord(manifest)) return refuse({ field: '', message: 'must be one object with apiVersion, kind, metadata and spec' });
  const kind = KINDS.find((candidate) => candidate.kind === manifest['kind']);
  const identity = identityProblems(manifest, kind);
  if (!kind || identity.length > 0) return refuse(...identity);
  const schema = schemaOf(kind);
  const { status: _, ...written } = manifest;
  const { value, problems } = checkSchema(schema, written, '');
  const all = [...metadataProblems(manifest['metadata']), ...problems];
  if (all.length > 0) return refuse(...all);
  const broken = evaluateRules(schema, value, options.old, '', ({ rule }) => options.local === true && rule === NO_FILE_URI.rule);
  return broken.length > 0 ? refuse(...broken) : { ok: true, object: value as PGGANTraining | SynthesisJob };
}

const refuse = (...problems: readonly Problem[]): Validated => ({ ok: false, problems });

const schemas = new Map<Kind, Structural>();

function schemaOf(kind: Kind): Structural {
  const schema = schemas.get(kind) ?? objectSchema(kind);
  schemas.set(kind, schema);
  return schema;
}

function identityProblems(manifest: Readonly<Record<string, unknown>>, kind: Kind | undefined): readonly Problem[] {
  return [
    ...(manifest['apiVersion'] === API_VERSION
      ? []
      : [{ field: 'apiVersion', message: `must be ${API_VERSION}, but ${found(manifest['apiVersion'])}` }]),
    ...(kind ? [] : [{ field: 'kind', message: `must be one of ${KINDS.map((k) => k.kind).join(', ')}, but ${found(manifest['kind'])}` }]),
  ];
}

const found = (value: unknown): string => (value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`);

const METADATA = new Set(
  'name generateName namespace uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds labels annotations finalizers ownerReferences managedFields selfLink'.split(
    ' ',
  ),
);
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** What the API server checks of every kind's metadata, as far as a manifest can get it wrong. */
function metadataProblems(metadata: unknown): readonly Problem[] {
  if (!isRecord(metadata)) return [{ field: 'metadata', message: 'must be an object with a name' }];
  const { name, namespace } = metadata;
  return [
    ...(typeof name === 'string' && name !== '' ? [] : [problem('name', 'is required')]),
    ...(typeof name !== 'string' || name === '' || (name.length <= 253 && SUBDOMAIN.test(name))
      ? []
      : [problem('name', `must consist of lower-case letters, digits and '-', and begin and end with a letter or digit; it is "${name}"`)]),
    ...(namespace === undefined || (typeof namespace === 'string' && namespace.length <= 63 && LABEL.test(namespace))
      ? []
      : [problem('namespace', "must be at most 63 lower-case letters, digits and '-'")]),
    ...(['labels', 'annotations'] as const).flatMap((field) => stringMapProblems(metadata[field], `metadata.${field}`)),
    ...Object.keys(metadata).flatMap((key) => (METADATA.has(key) ? [] : [problem(key, 'unknown field')])),
  ];
}

const problem = (field: string, message: string): Problem => ({ field: `metadata.${field}`, message });

function stringMapProblems(map: unknown, field: string): readonly Problem[] {
  if (map === undefined || map === null) return [];
  if (!isRecord(map)) return [{ field, message: 'must be a map of strings' }];
  return Object.entries(map).flatMap(([key, value]) =>
    typeof value === 'string' ? [] : [{ field: `${field}.${key}`, message: `must be a string, found ${JSON.stringify(value)}: quote it` }],
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
