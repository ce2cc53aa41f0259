/** The files of the Helm chart that follow from others: CustomResourceDefinitions as templates, values.yaml and the table of values. */
import { stringify } from 'yaml';
import { customResourceDefinition } from './crd.ts';
import type { Kind } from './v1alpha1/common.ts';

/** A value of the chart, or a group of them, as values.schema.json describes it. */
export type ValueSchema = {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  /** A group has none: its values have. */
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
};

/** Helm leaves the definition behind when the release goes: every training would go with it. */
export function crdTemplate(kind: Kind, yaml: (value: unknown) => string): string {
  const { metadata, ...definition } = customResourceDefinition(kind);
  const { apiVersion, kind: type, spec } = definition;
  const kept = { ...metadata, annotations: { 'helm.sh/resource-policy': 'keep' } };
  const text = yaml({ apiVersion, kind: type, metadata: kept, spec });
  if (text.includes('{{')) throw new Error(`the definition of ${kind.kind} has braces that Helm would read`);
  return `{{- if .Values.crds.install }}\n${text}{{- end }}\n`;
}

/** Every value with its default, under what it means. */
export function valuesFile(schema: ValueSchema): string {
  return groupLines(schema, '').join('\n').trim();
}

function groupLines(schema: ValueSchema, indent: string): readonly string[] {
  return entriesOf(schema).flatMap(([name, value]) => [
    ...(indent === '' ? [''] : []),
    ...wrapped(value.description ?? '', 138 - indent.length).map((line) => `${indent}# ${line}`),
    ...(value.properties ? [`${indent}${name}:`, ...groupLines(value, `${indent}  `)] : valueLines(name, value.default, indent)),
  ]);
}

function valueLines(name: string, value: unknown, indent: string): readonly string[] {
  const lines = stringify({ [name]: value }, { lineWidth: 0 })
    .trimEnd()
    .split('\n');
  return lines.map((line) => `${indent}${line}`);
}

function wrapped(text: string, width: number): readonly string[] {
  return text.split(' ').reduce<readonly string[]>((lines, word) => {
    const last = lines.at(-1);
    return last === undefined || last.length + 1 + word.length > width ? [...lines, word] : [...lines.slice(0, -1), `${last} ${word}`];
  }, []);
}

/** Rows of name, default and meaning. */
export function valueRows(schema: ValueSchema, path = ''): readonly (readonly string[])[] {
  return entriesOf(schema).flatMap(([name, value]) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (value.properties) return [[`**\`${at}\`**`, '', value.description ?? ''], ...valueRows(value, at)];
    const choice = value.enum ? ` One of ${value.enum.map((one) => `\`${one}\``).join(', ')}.` : '';
    return [[`\`${at}\``, `\`${JSON.stringify(value.default)}\``, `${value.description ?? ''}${choice}`]];
  });
}

/** What has neither values nor a default of its own is not for this chart. */
function entriesOf({ properties = {} }: ValueSchema): readonly (readonly [string, ValueSchema])[] {
  return Object.entries(properties).filter(([, value]) => value.properties !== undefined || value.default !== undefined);
}

const [START, END] = ['<!-- values: generated from values.schema.json -->\n', '<!-- end of values -->\n'];

/** `page` with `table` between its marks. */
export function withTable(page: string, table: readonly string[]): string {
  const [before, rest] = page.split(START);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined)
    throw new Error("the chart's README has no marks between which its table of values stands");
  return `${before}${START}\n${table.join('\n')}\n\n${END}${after}`;
}
