/** zod -> structural OpenAPI v3 schema, the subset of JSON Schema that the Kubernetes API server accepts for custom resources. */
import { z } from 'zod';
import type { Kind, Rule } from './v1alpha1/common.ts';

export type Structural = {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly (string | number)[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Structural>>;
  readonly items?: Structural;
  readonly additionalProperties?: Structural;
  readonly anyOf?: readonly Structural[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly Rule[];
};

/** The schema of a whole object of `kind`, as it stands in its CustomResourceDefinition. */
export function objectSchema(kind: Kind): Structural {
  return {
    description: kind.description,
    type: 'object',
    required: ['spec'],
    'x-kubernetes-validations': kind.rules,
    properties: {
      apiVersion: { description: 'Group and version of the schema: pggan.dev/v1alpha1.', type: 'string' },
      kind: { description: `Kind of the object: ${kind.kind}.`, type: 'string' },
      metadata: { type: 'object' },
      spec: structural(kind.spec),
      // kstatus calls an object without observedGeneration Current: a fresh object must not look finished.
      status: { ...structural(kind.status), description: 'What the operator has seen.', default: { observedGeneration: -1 } },
    },
  };
}

/** The structural schema of `schema`. What zod can say and the API server cannot read is left out or said in its words. */
function structural(schema: z.ZodType): Structural {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' });
  return restrict(json as Structural);
}

type Loose = { -readonly [K in keyof Structural]: Structural[K] | false };

const KEY_ORDER = ['description', 'type', 'format', 'default', 'enum', 'required', 'properties', 'items', 'additionalProperties'];

function restrict(source: Structural): Structural {
  const node: Loose = { ...source };
  if (node.additionalProperties === false) delete node.additionalProperties; // unknown fields are refused or pruned anyway
  if (node['x-kubernetes-int-or-string']) return inOrder({ ...source, anyOf: [{ type: 'integer' }, { type: 'string' }] });
  if (source.type === 'number' && source.enum?.every(Number.isInteger)) node.type = 'integer';
  if (source.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
  if (source.properties) node.properties = mapValues(source.properties, restrict);
  if (source.items) node.items = restrict(source.items);
  if (source.additionalProperties) node.additionalProperties = restrict(source.additionalProperties);
  return inOrder(node as Structural);
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

/** Keys in the order in which a person reads them, so that the generated files are stable and legible. */
function inOrder(node: Structural): Structural {
  return Object.fromEntries(Object.entries(node).sort(([a], [b]) => rank(a) - rank(b)));
}

/** Bounds and extensions stand between `enum` and `required`. */
const rank = (key: string): number => (KEY_ORDER.includes(key) ? KEY_ORDER.indexOf(key) : 4.5);
