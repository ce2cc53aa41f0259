/** Evaluates the CEL rules of a structural schema over an object, as the API server does. */
import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import type { Structural } from './structural.ts';
import type { Rule } from './v1alpha1/common.ts';

export type Problem = { readonly field: string; readonly message: string };

type Json = unknown;
type Fields = Readonly<Record<string, Json>>;

/**
 * Problems of `value` (which the schema itself must already hold for) by the rules of `schema` and of all schemas inside it.
 * A rule that names oldSelf is skipped where `old` has no counterpart: at creation, for a new entry of a keyed list, below an atomic list.
 */
export function evaluateRules(
  schema: Structural,
  value: Json,
  old: Json,
  field: string,
  skip: (rule: Rule) => boolean,
): readonly Problem[] {
  const own = (schema['x-kubernetes-validations'] ?? []).flatMap((rule) =>
    skip(rule) ? [] : evaluateRule(rule, schema, value, old, field),
  );
  return [
    ...own,
    ...childrenOf(schema, value, old, field).flatMap((child) => evaluateRules(child.schema, child.value, child.old, child.field, skip)),
  ];
}

function evaluateRule(
  { rule, message, fieldPath = '' }: Rule,
  schema: Structural,
  value: Json,
  old: Json,
  field: string,
): readonly Problem[] {
  if (/\boldSelf\b/.test(rule) && old === undefined) return [];
  const outcome = programOf(rule)({ self: toCel(schema, value), oldSelf: toCel(schema, old) });
  if (outcome === true) return [];
  const at = `${field}${fieldPath}`.replace(/^[.]/, '');
  return [{ field: at, message: isCelError(outcome) ? `${message} (the rule cannot be evaluated: ${outcome.message})` : message }];
}

type Program = (variables: Readonly<Record<'self' | 'oldSelf', CelInput>>) => unknown;
const programs = new Map<string, Program>();

function programOf(rule: string): Program {
  const known = programs.get(rule);
  if (known) return known;
  const program: Program = plan(celEnv(), parse(rule));
  programs.set(rule, program);
  return program;
}

/** A JSON value as CEL sees it through its schema: an integer is an int, whatever JSON calls it. */
function toCel(schema: Structural, value: Json): CelInput {
  if (value === undefined || value === null) return null;
  if (schema.type === 'integer') return BigInt(value as number);
  if (Array.isArray(value)) return value.map((item) => toCel(schema.items ?? {}, item));
  if (typeof value !== 'object')
    return typeof value === 'number' && Number.isInteger(value) && !schema.type ? BigInt(value) : (value as CelInput);
  return new Map(
    Object.entries(value).map(([key, item]) => [key, toCel(schema.properties?.[key] ?? schema.additionalProperties ?? {}, item)]),
  );
}

type Child = { readonly schema: Structural; readonly value: Json; readonly old: Json; readonly field: string };

function childrenOf(schema: Structural, value: Json, old: Json, field: string): readonly Child[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items
      ? value.map((item, index) => ({ schema: items, value: item, old: counterpart(schema, item, old), field: `${field}[${index}]` }))
      : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const child = schema.properties?.[key] ?? schema.additionalProperties;
    return child ? [{ schema: child, value: item, old: (old as Fields | undefined)?.[key], field: field ? `${field}.${key}` : key }] : [];
  });
}

/** The old entry with the same keys, in a keyed list. */
function counterpart(schema: Structural, item: Json, old: Json): Json {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (!keys || !Array.isArray(old)) return undefined;
  return old.find((candidate: Fields) => keys.every((key) => candidate[key] === (item as Fields)[key]));
}
