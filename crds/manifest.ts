/** Reads manifest files: YAML with several documents, each validated as the API server would, every problem with its line. */
import { readFile } from 'node:fs/promises';
import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';
import { checkTraining } from './check-training.ts';
import { asError, PgganError } from './errors.ts';
import { validateManifest } from './validate.ts';
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';
import type { SynthesisJob } from './v1alpha1/synthesis-job.ts';

export type Manifest = PGGANTraining | SynthesisJob;

/** Changes a parsed manifest before it is validated: the command line's options. */
export type Override = {
  apply(manifest: Readonly<Record<string, unknown>>): unknown;
  /** The option, as typed, that gave a field its value; undefined where the manifest did. */
  optionOf(field: string): string | undefined;
};

const NO_OVERRIDE: Override = { apply: (manifest) => manifest, optionOf: () => undefined };

/** The objects of a file, in order. @throws {PgganError} ManifestInvalid, with every problem of every document. */
export async function readManifests(file: string, override = NO_OVERRIDE): Promise<readonly Manifest[]> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    const error = asError(thrown);
    const reason = 'code' in error && error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new PgganError('ManifestInvalid', `${file} cannot be read: ${reason}`, { cause: thrown });
  });
  return parseManifests(text, file, override);
}

/** As readManifests, from text; `file` only names it. */
export function parseManifests(text: string, file: string, override = NO_OVERRIDE): readonly Manifest[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines });
  const problems: string[] = [];
  const objects: Manifest[] = [];
  if (!Array.isArray(documents)) throw new PgganError('ManifestInvalid', `${file} holds no object`);
  for (const document of documents) {
    if (document.errors.length > 0) {
      problems.push(...document.errors.map((error) => `${file}:${lines.linePos(error.pos[0]).line}: ${error.message.split('\n')[0]}`));
      continue;
    }
    const value: unknown = document.toJS();
    if (value === null) continue;
    const read = validateManifest(isRecord(value) ? override.apply(value) : value, { local: true });
    const found = read.ok ? (read.object.kind === 'PGGANTraining' ? checkTraining(read.object) : []) : read.problems;
    const where = (field: string): string =>
      override.optionOf(field) ?? `${file}:${lineOf(document, field, lines)}: ${field || 'document'}`;
    problems.push(...found.map(({ field, message }) => `${where(field)}: ${message}`));
    if (read.ok) objects.push(read.object);
  }
  if (problems.length > 0) throw new PgganError('ManifestInvalid', problems.join('\n'));
  if (objects.length === 0) throw new PgganError('ManifestInvalid', `${file} holds no object: it needs a PGGANTraining or a SynthesisJob`);
  return objects;
}

/** The line of a field such as spec.phases[1].minibatch; of its nearest parent where the field itself is absent. */
function lineOf(document: Document, field: string, lines: LineCounter): number {
  const path = field.split(/[.[\]]+/).filter((part) => part !== '');
  for (let length = path.length; length >= 0; length -= 1) {
    const keys = path.slice(0, length).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const node: unknown = length === 0 ? document.contents : document.getIn(keys, true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
