/** A structural schema over a value: refuses unknown fields, fills in defaults, checks types, bounds, patterns and the keys of lists. */
import type { Problem } from './cel.ts';
import type { Structural } from './structural.ts';

export type Checked = { readonly value: unknown; readonly problems: readonly Problem[] };

/** `value` with the defaults of `schema` filled in, and everything in which it does not fit. Absent and null are the same, as for the API server. */
export function checkSchema(schema: Structural, value: unknown, field: string): Checked {
  if (schema['x-kubernetes-int-or-string']) return checkQuantity(schema, value, field);
  if (schema.type === undefined) return { value, problems: [] };
  switch (schema.type) {
    case 'object':
      return isRecord(value)
        ? schema.additionalProperties
          ? checkMap(schema, value, field)
          : checkObject(schema, value, field)
        : wrongType('an object', value, field);
    case 'array':
      return Array.isArray(value) ? checkList(schema, value, field) : wrongType('a list', value, field);
    case 'string':
      return typeof value === 'string' ? { value, problems: checkString(schema, value, field) } : wrongType('a string', value, field);
    case 'integer':
      return Number.isSafeInteger(value)
        ? { value, problems: checkNumber(schema, value as number, field) }
        : wrongType('an integer', value, field);
    case 'number':
      return typeof value === 'number' ? { value, problems: checkNumber(schema, value, field) } : wrongType('a number', value, field);
    case 'boolean':
      return typeof value === 'boolean' ? { value, problems: [] } : wrongType('true or false', value, field);
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function wrongType(wanted: string, value: unknown, field: string): Checked {
  const hint = wanted === 'a string' && ['number', 'boolean'].includes(typeof value) ? ': quote it' : '';
  return { value, problems: [{ field, message: `must be ${wanted}, found ${excerpt(value)}${hint}` }] };
}

const excerpt = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

const join = (field: string, key: string): string => (field ? `${field}.${key}` : key);

function checkObject(schema: Structural, value: Readonly<Record<string, unknown>>, field: string): Checked {
  const properties = schema.properties;
  // An object without properties is metadata, which the API server checks by other means.
  if (!properties) return { value, problems: [] };
  const known = Object.keys(properties);
  const unknown = Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => ({ field: join(field, key), message: `unknown field${suggestion(key, known)}` }));
  const required = new Set(schema.required);
  const parts = Object.entries(properties).map(([key, child]): Checked & { readonly key: string } => {
    const given = value[key] ?? child.default;
    if (given !== undefined) return { key, ...checkSchema(child, given, join(field, key)) };
    return { key, value: undefined, problems: required.has(key) ? [{ field: join(field, key), message: 'is required' }] : [] };
  });
  const filled = Object.fromEntries(parts.filter((part) => part.value !== undefined).map((part) => [part.key, part.value]));
  return { value: filled, problems: [...unknown, ...parts.flatMap(({ problems }) => problems)] };
}

function checkMap(schema: Structural, value: Readonly<Record<string, unknown>>, field: string): Checked {
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  const parts = entries.map(([key, item]) => ({ key, ...checkSchema(schema.additionalProperties ?? {}, item, join(field, key)) }));
  const tooMany = schema.maxProperties !== undefined && entries.length > schema.maxProperties;
  return {
    value: Object.fromEntries(parts.map((part) => [part.key, part.value])),
    problems: [
      ...(tooMany ? [{ field, message: `must have at most ${schema.maxProperties} entries, found ${entries.length}` }] : []),
      ...parts.flatMap(({ problems }) => problems),
    ],
  };
}

function checkList(schema: Structural, value: readonly unknown[], field: string): Checked {
  const parts = value.map((item, index) => checkSchema(schema.items ?? {}, item, `${field}[${index}]`));
  const { minItems = 0, maxItems = Infinity } = schema;
  return {
    value: parts.map((part) => part.value),
    problems: [
      ...(value.length < minItems ? [{ field, message: `must have at least ${minItems} entries` }] : []),
      ...(value.length > maxItems ? [{ field, message: `must have at most ${maxItems} entries, found ${value.length}` }] : []),
      ...parts.flatMap(({ problems }) => problems),
      ...duplicates(schema, parts, field),
    ],
  };
}

function duplicates(schema: Structural, parts: readonly Checked[], field: string): readonly Problem[] {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (!keys) return [];
  const identities = parts.map(({ value }) => JSON.stringify(keys.map((key) => (isRecord(value) ? value[key] : undefined))));
  return identities.flatMap((identity, index) =>
    identities.indexOf(identity) < index
      ? [{ field: `${field}[${index}]`, message: `duplicate entry: ${keys.join(' and ')} ${identity.slice(1, -1)} is there already` }]
      : [],
  );
}

function checkString(schema: Structural, value: string, field: string): readonly Problem[] {
  const { length } = Array.from(value); // code points, as the API server counts
  const { minLength = 0, maxLength = Infinity, pattern } = schema;
  return [
    ...checkEnum(schema, value, field),
    ...(length < minLength
      ? [{ field, message: minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters` }]
      : []),
    ...(length > maxLength ? [{ field, message: `must have at most ${maxLength} characters, found ${length}` }] : []),
    ...(pattern && !new RegExp(pattern, 'u').test(value) ? [{ field, message: `must match ${pattern}, found ${excerpt(value)}` }] : []),
  ];
}

function checkNumber(schema: Structural, value: number, field: string): readonly Problem[] {
  const { minimum = -Infinity, maximum = Infinity } = schema;
  return [
    ...checkEnum(schema, value, field),
    ...(value < minimum ? [{ field, message: `must be at least ${minimum}, found ${value}` }] : []),
    ...(value > maximum ? [{ field, message: `must be at most ${maximum}, found ${value}` }] : []),
  ];
}

const checkEnum = (schema: Structural, value: string | number, field: string): readonly Problem[] =>
  schema.enum && !schema.enum.includes(value)
    ? [{ field, message: `must be one of ${schema.enum.join(', ')}, found ${excerpt(value)}` }]
    : [];

function checkQuantity(schema: Structural, value: unknown, field: string): Checked {
  if (Number.isSafeInteger(value)) return { value, problems: [] };
  if (typeof value === 'string') return { value, problems: checkString(schema, value, field) };
  return wrongType('an integer or a string', value, field);
}

/** The known name that was probably meant: the same but for case, or at most two letters away. */
function suggestion(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= 2 ? `; did you mean ${near.name}?` : '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split('').entries()) {
      next.push(Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
