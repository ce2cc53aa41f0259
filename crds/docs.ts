/** The reference pages that follow from the contract, as Markdown. */
import { ERRORS } from './errors.ts';
import { BASE, MAX_MINIBATCH_PER_GPU, PRESETS, type PerResolution, type Preset } from './presets.ts';
import { resolveSchedule } from './resolve.ts';
import { phases } from './schedule.ts';
import { type Structural, objectSchema } from './structural.ts';
import { API_VERSION, type Kind } from './v1alpha1/common.ts';

/** Every error that the software names, with its exit code and what to do. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, { exit, meaning, remedy }]) => [`\`${code}\``, String(exit), meaning, remedy]);
  return [
    '# Errors',
    '',
    'Every message that asks something of you carries one of these codes. The exit code is that of the process that ends with it.',
    '',
    ...table(['Code', 'Exit', 'What it means', 'What to do'], rows),
    '',
  ].join('\n');
}

/** Every field of every kind: type, default, bounds, description; and the rules that the API server enforces. */
export function fieldsPage(kinds: readonly Kind[]): string {
  return [
    '# Fields',
    '',
    `All kinds of \`${API_VERSION}\`. A field in **bold** is required. \`kimg\` means thousands of real images shown; decimals are written as strings.`,
    'Fields in which a default is said in words are filled in when a run is resolved (`run.json` shows the outcome); all others by the API server.',
    ...kinds.flatMap(kindSection),
    '',
  ].join('\n');
}

function kindSection(kind: Kind): string[] {
  const schema = objectSchema(kind);
  const fields = (['spec', 'status'] as const).flatMap((part) => {
    const node = schema.properties?.[part];
    return node
      ? ['', `### ${kind.kind} ${part}`, '', ...table(['Field', 'Type', 'Default', 'Bounds', 'Description'], fieldRows(node, part))]
      : [];
  });
  const refusals = ruleRows(schema, '').map(([path, message]) => `- \`${path || kind.kind}\`: ${message}`);
  return [
    '',
    `## ${kind.kind}`,
    '',
    `${kind.description} Short name: \`${kind.shortNames.join('`, `')}\`.`,
    ...fields,
    '',
    `### What the API server refuses in a ${kind.kind}`,
    '',
    ...new Set(refusals),
  ];
}

/** Pod templates stand in two places; their fields are listed at the first. */
function fieldRows(node: Structural, path: string): string[][] {
  if (path === 'spec.phases[].template') return [];
  const required = new Set(node.required);
  const children = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const childPath = `${path}.${name}`;
    const code = `\`${childPath}\``;
    return [
      [required.has(name) ? `**${code}**` : code, typeOf(child), defaultOf(child), boundsOf(child), child.description ?? ''],
      ...fieldRows(child, childPath),
    ];
  });
  const items = node.items ? fieldRows(node.items, `${path}[]`) : [];
  return [...children, ...items];
}

function typeOf(node: Structural): string {
  if (node['x-kubernetes-int-or-string']) return 'quantity';
  if (node.items) return `list of ${typeOf(node.items)}`;
  if (node.additionalProperties) return `map to ${typeOf(node.additionalProperties)}`;
  return node.format ?? node.type ?? '';
}

const defaultOf = (node: Structural): string => (node.default === undefined ? '' : `\`${JSON.stringify(node.default)}\``);

function boundsOf(node: Structural): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, maxProperties, pattern } = node;
  return [
    ...(node.enum ? [`one of ${node.enum.join(', ')}`] : []),
    ...between(minimum, maximum, ''),
    ...between(minLength, maxLength, ' characters'),
    ...between(minItems, maxItems, ' entries'),
    ...between(undefined, maxProperties, ' entries'),
    ...(node['x-kubernetes-list-map-keys'] ? [`one per ${node['x-kubernetes-list-map-keys'].join(' and ')}`] : []),
    ...(pattern ? [`\`${pattern}\``] : []),
  ].join('; ');
}

function between(low: number | undefined, high: number | undefined, unit: string): string[] {
  if (low === undefined && high === undefined) return [];
  if (high === undefined || high >= Number.MAX_SAFE_INTEGER) return low === undefined ? [] : [`${low} or more${unit}`];
  return [low === undefined ? `at most ${high}${unit}` : `${low} to ${high}${unit}`];
}

function ruleRows(node: Structural, path: string): (readonly [string, string])[] {
  const own = (node['x-kubernetes-validations'] ?? []).map(({ message }) => [path, message] as const);
  const inside = Object.entries(node.properties ?? {}).flatMap(([name, child]) => ruleRows(child, path ? `${path}.${name}` : name));
  const items = [node.items, node.additionalProperties].flatMap((child) => (child ? ruleRows(child, `${path}[]`) : []));
  return [...own, ...inside, ...items];
}

/** What each preset expands to, and when its resolutions begin. */
export function presetsPage(): string {
  const presets = Object.entries<Preset>({ '(none)': BASE, ...PRESETS });
  return [
    '# Presets',
    '',
    'The configurations of Karras et al. (2018), by name. A name never changes its meaning. `spec.schedule` overrides fields, each whole; `spec.phases` has the last word.',
    "A preset with several GPUs sets that run's minibatches and bounds; training is always one process on one GPU.",
    '',
    ...table(
      ['Preset', 'GPUs', 'trainKimg', 'transitionKimg', 'minibatchBase', 'learningRateBase', 'mbstdGroupSize', 'totalKimg in the paper'],
      presets.map(([name, p]) =>
        [`\`${name}\``, p.gpus, p.trainKimg, p.transitionKimg, p.minibatchBase, p.learningRateBase, p.mbstdGroupSize, p.totalKimg].map(
          String,
        ),
      ),
    ),
    '',
    '## Images per step, by resolution',
    '',
    'With precision Float32: rounded down to a multiple of the GPUs and bounded per GPU.',
    '',
    ...perResolutionTable(presets, (level) => String(level.minibatch)),
    '',
    '## Learning rate of both networks, by resolution',
    '',
    ...perResolutionTable(presets, (level) => String(level.generatorLearningRate)),
    '',
    '## Images per step and GPU at most, by precision',
    '',
    ...table(
      ['Precision', 'Bounds'],
      Object.entries(MAX_MINIBATCH_PER_GPU).map(([precision, bounds]) => [precision, listOf(bounds)]),
    ),
    '',
    `## Thousands of images between two reports\n\n${listOf(BASE.ticks)}\n`,
    '## Where the phases of a 512x512 run end',
    '',
    'In images, for the totalKimg of the paper. A phase ends with the steps that complete an outer iteration, hence the numbers that are not round.',
    '',
    ...table(
      ['Preset', ...RESOLUTIONS.slice(0, 8).map((r) => `${r}x${r}`)],
      presets.map(([name, p]) => [
        `\`${name}\``,
        ...phases(scheduleOf(name, 512), p.totalKimg).map(({ endImages }) => endImages.toLocaleString('en-US')),
      ]),
    ),
    '',
  ].join('\n');
}

const RESOLUTIONS = [4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;

const scheduleOf = (name: string, resolution: 512 | 1024) =>
  resolveSchedule({ resolution, precision: 'Float32', ...(name in PRESETS && { preset: name as keyof typeof PRESETS }) });

function perResolutionTable(
  presets: readonly (readonly [string, Preset])[],
  cell: (level: ReturnType<typeof scheduleOf>['levels'][number]) => string,
): string[] {
  return table(
    ['Preset', ...RESOLUTIONS.map(String)],
    presets.map(([name]) => [`\`${name}\``, ...scheduleOf(name, 1024).levels.map((level) => cell(level))]),
  );
}

const listOf = (values: PerResolution): string =>
  Object.entries(values)
    .map(([resolution, value]) => `${resolution}: ${value}`)
    .join(', ');

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/<(?=[a-z])/g, '&lt;')).join(' | ')} |`;
