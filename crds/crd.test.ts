/** The generated files: up to date, and within what the API server accepts and what keeps it safe. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse as parseCel } from '@bufbuild/cel';
import { parse } from 'yaml';
import { KINDS, type customResourceDefinition } from './crd.ts';
import { ERRORS } from './errors.ts';
import { generated } from './generate.ts';
import { drift } from './generated-files.ts';
import { checkSchema } from './schema-check.ts';
import type { Structural } from './structural.ts';
import { API_GROUP } from './v1alpha1/common.ts';

const ROOT = join(import.meta.dirname, '..');

for (const [path, content] of generated()) {
  test(`${path} is what its source generates`, () => assert.deepEqual(drift(readFileSync(join(ROOT, path), 'utf8'), content), []));
}

test('drift names the lines that differ, and nothing where none does', () => {
  assert.deepEqual(drift('a\nb', 'a\nb'), []);
  assert.deepEqual(drift('a\nb', 'a\nc\nd'), ['  line 2', '  - b', '  + c', '  line 3', '  - (end of file)', '  + d']);
});

test('every error code stands on the page of errors', () => {
  const page = generated().get('docs/reference/errors.md') ?? '';
  for (const code of Object.keys(ERRORS)) assert.ok(page.includes(`\`${code}\``), code);
});

type Definition = ReturnType<typeof customResourceDefinition>;
type Node = { readonly path: string; readonly schema: Structural; readonly atomicAbove: boolean };

const definitions = KINDS.map((kind) => ({
  kind,
  crd: parse(readFileSync(join(ROOT, `crds/${API_GROUP}_${kind.plural}.yaml`), 'utf8')) as Definition,
}));

for (const { kind, crd } of definitions) {
  const root = crd.spec.versions[0]?.schema.openAPIV3Schema as Structural;
  const nodes = [...walk({ path: kind.kind, schema: root, atomicAbove: false })];
  // The API server itself defines and bounds these three.
  const own = nodes.filter(({ path }) => !/^[A-Za-z]+[.](apiVersion|kind|metadata)$/.test(path));
  const all = (what: string, holds: (node: Node) => boolean): void =>
    assert.deepEqual(
      own.filter((node) => !holds(node)).map(({ path }) => path),
      [],
      what,
    );

  test(`the schema of ${kind.kind} uses no keyword that a structural schema forbids`, () => {
    assert.ok(own.length > 100);
    all('only known keywords', ({ schema }) => Object.keys(schema).every((key) => ALLOWED.has(key)));
    all('a type everywhere but at quantities', ({ schema }) =>
      schema['x-kubernetes-int-or-string'] ? !schema.type : schema.type !== undefined,
    );
    all('anyOf only at quantities, in its one legal form', ({ schema }) =>
      schema['x-kubernetes-int-or-string'] ? JSON.stringify(schema.anyOf) === '[{"type":"integer"},{"type":"string"}]' : !schema.anyOf,
    );
    all('properties or additionalProperties, never both', ({ schema }) => !(schema.properties && schema.additionalProperties));
    all(
      'an object says what is in it',
      ({ schema }) => schema.type !== 'object' || Boolean(schema.properties ?? schema.additionalProperties),
    );
    all('an array says what is in it', ({ schema }) => schema.type !== 'array' || schema.items !== undefined);
    all('required fields exist and have no default', ({ schema }) =>
      (schema.required ?? []).every((key) => schema.properties?.[key] !== undefined && schema.properties[key].default === undefined),
    );
    all('patterns compile', ({ schema }) => schema.pattern === undefined || new RegExp(schema.pattern, 'u') instanceof RegExp);
    all(
      'patterns are without lookaround and back references, which RE2 lacks',
      ({ schema }) => !/[(][?][=!<]|[\\][1-9]/.test(schema.pattern ?? ''),
    );
  });

  test(`every list, map and string of ${kind.kind} is bounded, and every number in its spec is a bounded integer`, () => {
    all('lists', ({ schema }) => schema.type !== 'array' || schema.maxItems !== undefined);
    all('maps', ({ schema }) => !schema.additionalProperties || schema.maxProperties !== undefined);
    all('strings', ({ schema }) => schema.type !== 'string' || schema.maxLength !== undefined || schema.enum !== undefined);
    all('quantities', ({ schema }) => !schema['x-kubernetes-int-or-string'] || schema.maxLength !== undefined);
    all(
      'integers',
      ({ schema }) =>
        schema.type !== 'integer' || schema.enum !== undefined || (schema.minimum !== undefined && schema.maximum !== undefined),
    );
    all('no floats', ({ path, schema }) => !path.startsWith(`${kind.kind}.spec`) || schema.type !== 'number');
  });

  test(`every field of ${kind.kind} explains itself`, () => {
    all('described', ({ path, schema }) => path.endsWith('[]') || (schema.description ?? '').length > 0);
  });

  test(`lists of objects in ${kind.kind} say how they merge, and keyed ones by required scalar keys`, () => {
    all(
      'list type',
      ({ schema }) => schema.type !== 'array' || schema['x-kubernetes-list-type'] !== undefined || schema.items?.type !== 'object',
    );
    all(
      'keys go with type map',
      ({ schema }) => (schema['x-kubernetes-list-type'] === 'map') === (schema['x-kubernetes-list-map-keys'] !== undefined),
    );
    all('keys', ({ schema }) =>
      (schema['x-kubernetes-list-map-keys'] ?? []).every((key) => {
        const item = schema.items?.properties?.[key];
        return schema.items?.required?.includes(key) === true && (item?.type === 'string' || item?.type === 'integer');
      }),
    );
  });

  test(`every default in ${kind.kind} is itself valid`, () => {
    for (const { path, schema } of own.filter((node) => node.schema.default !== undefined)) {
      assert.deepEqual(checkSchema(schema, schema.default, path).problems, [], path);
    }
  });

  test(`every rule of ${kind.kind} parses, has a message, and looks at oldSelf only where the API server can find it`, () => {
    const withRules = nodes.filter((node) => node.schema['x-kubernetes-validations']);
    assert.ok(withRules.length > 5);
    for (const { path, schema, atomicAbove } of withRules) {
      for (const { rule, message, fieldPath } of schema['x-kubernetes-validations'] ?? []) {
        parseCel(rule);
        assert.ok(message.length > 0 && !message.includes('\n'), path);
        assert.ok(!(atomicAbove && /\boldSelf\b/.test(rule)), `${path}: oldSelf below an atomic list`);
        if (fieldPath) assert.ok(at(schema, fieldPath), `${path}: fieldPath ${fieldPath} leads nowhere`);
      }
    }
  });

  test(`the columns and selectable fields of ${kind.kind} lead to fields`, () => {
    const version = crd.spec.versions[0];
    assert.ok(version);
    for (const { jsonPath } of version.selectableFields)
      assert.ok(['string', 'integer', 'boolean'].includes(at(root, jsonPath)?.type ?? ''), jsonPath);
    for (const { jsonPath } of version.additionalPrinterColumns) {
      if (jsonPath !== '.metadata.creationTimestamp') assert.ok(at(root, jsonPath), jsonPath);
    }
  });

  test(`a fresh ${kind.kind} is not taken for a finished one: its observedGeneration is -1`, () => {
    assert.deepEqual(at(root, '.status')?.default, { observedGeneration: -1 });
    assert.equal(at(root, '.status.observedGeneration')?.default, -1);
  });
}

const ALLOWED = new Set<string>(
  [
    'description type format default enum pattern minLength maxLength',
    'minimum maximum minItems maxItems maxProperties required properties items',
    'additionalProperties anyOf x-kubernetes-int-or-string x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-validations',
  ].flatMap((line) => line.split(' ')),
);

function* walk(node: Node): Generator<Node> {
  yield node;
  const { path, schema } = node;
  const atomicAbove = node.atomicAbove || (schema.type === 'array' && schema['x-kubernetes-list-type'] !== 'map');
  for (const [name, child] of Object.entries(schema.properties ?? {})) yield* walk({ path: `${path}.${name}`, schema: child, atomicAbove });
  for (const child of [schema.items, schema.additionalProperties])
    if (child) yield* walk({ path: `${path}[]`, schema: child, atomicAbove });
}

/** The schema at a JSONPath such as .status.conditions[?(...)].status or .limits.nvidia\.com/gpu. */
function at(schema: Structural, jsonPath: string): Structural | undefined {
  const steps = jsonPath
    .replaceAll(/\[[^\]]*\]/g, '')
    .split(/(?<!\\)[.]/)
    .slice(1);
  return steps.reduce<Structural | undefined>((node, step) => {
    const object = node?.items ?? node;
    return object?.properties?.[step] ?? object?.additionalProperties;
  }, schema);
}
