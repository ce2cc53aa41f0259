/** Manifests that would cost a run are refused, each with the field and what is wrong with it. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Problem } from './cel.ts';
import { checkTraining } from './check-training.ts';
import { KINDS } from './crd.ts';
import { BAD_EDITS, GOOD_EDITS } from './edit.cases.ts';
import { BAD_MANIFESTS } from './manifest.cases.ts';
import { GOOD, changed } from './test-objects.ts';
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';
import type { SynthesisJob } from './v1alpha1/synthesis-job.ts';
import { validateManifest } from './validate.ts';

const SAMPLES = join(import.meta.dirname, '../manifests/samples');

for (const { name, of, change, field, says } of BAD_MANIFESTS) {
  test(`a ${of} with ${name} is refused at ${field || 'the object'}`, () => refusedAt(problemsOf(changed(of, change)), field, says));
}

for (const { name, of, before, change, field, says } of BAD_EDITS) {
  test(`the edit of a ${of} is refused at ${field}: ${name}`, () =>
    refusedAt(problemsOf(changed(of, change), accepted(changed(of, before))), field, says));
}

for (const { name, of, before, change } of GOOD_EDITS) {
  test(`the edit of a ${of} is accepted: ${name}`, () => void accepted(changed(of, change), accepted(changed(of, before))));
}

for (const file of readdirSync(SAMPLES)) {
  test(`the sample ${file} is valid on a cluster and would be accepted`, () => {
    const object = accepted(parse(readFileSync(join(SAMPLES, file), 'utf8')));
    const zod = KINDS.find(({ kind }) => kind === object.kind)?.spec;
    assert.deepEqual(zod?.parse(object.spec), object.spec, 'the schema that the types come from agrees');
    if (object.kind === 'PGGANTraining') assert.deepEqual(checkTraining(object), []);
  });
}

test('what is no manifest of ours is refused by name', () => {
  refusedAt(problemsOf('hello'), '', /must be one object/);
  refusedAt(problemsOf([]), '', /must be one object/);
  refusedAt(problemsOf({}), 'kind', /PGGANTraining, SynthesisJob, but is missing/);
  refusedAt(problemsOf({ ...GOOD.training, kind: 'Training' }), 'kind', /but is "Training"/);
  refusedAt(
    problemsOf({ ...GOOD.training, apiVersion: 'pggan.dev/v1' }),
    'apiVersion',
    /must be pggan[.]dev[/]v1alpha1, but is "pggan[.]dev[/]v1"/,
  );
});

test('metadata is checked as the API server checks it', () => {
  refusedAt(problemsOf(changed('training', { metadata: undefined })), 'metadata', /must be an object/);
  refusedAt(problemsOf(changed('training', { 'metadata/name': undefined })), 'metadata.name', /is required/);
  refusedAt(problemsOf(changed('training', { 'metadata/name': 'RSNA_normal' })), 'metadata.name', /lower-case/);
  refusedAt(problemsOf(changed('training', { 'metadata/namespace': 'a/b' })), 'metadata.namespace', /lower-case/);
  refusedAt(problemsOf(changed('training', { 'metadata/labels': { a: 1 } })), 'metadata.labels.a', /must be a string, found 1/);
  refusedAt(problemsOf(changed('training', { 'metadata/lables': {} })), 'metadata.lables', /unknown field/);
});

test('all problems of a manifest are told at once', () => {
  const problems = problemsOf(changed('training', { 'spec/totalKimg': 0, 'spec/resolution': 100, 'spec/seeds': 1 }));
  assert.deepEqual(problems.map(({ field }) => field).sort(), ['spec.resolution', 'spec.seeds', 'spec.totalKimg']);
});

test('a local run may use file:// and nothing else that a cluster refuses', () => {
  const local = changed('training', { 'spec/dataset/uri': 'file:///data', 'spec/output/uri': 'file:///runs', 'spec/store': undefined });
  assert.equal(validateManifest(local, { local: true }).ok, true);
  refusedAt(problemsOf(local), 'spec.dataset.uri', /local runs/);
  const climbing = validateManifest(changed('training', { 'spec/dataset/uri': 'file:///data/../etc' }), { local: true });
  refusedAt(climbing.ok ? [] : climbing.problems, 'spec.dataset.uri', /must not contain/);
});

test('defaults are filled in, a null counts as absent, and a status in a manifest is ignored', () => {
  const object = accepted(changed('training', { 'spec/checkpoints': { everyKimg: 5 }, 'spec/threads': null, status: { nonsense: true } }));
  assert.ok(object.kind === 'PGGANTraining');
  assert.deepEqual(object.spec.checkpoints, { everyKimg: 5, everySeconds: 1800, keepLast: 3 });
  assert.equal(object.spec.threads, 4);
  assert.deepEqual(object.status, { observedGeneration: -1 });
});

function problemsOf(manifest: unknown, old?: PGGANTraining | SynthesisJob): readonly Problem[] {
  const result = validateManifest(manifest, old && { old });
  return result.ok ? [] : result.problems;
}

function accepted(manifest: unknown, old?: PGGANTraining | SynthesisJob) {
  const result = validateManifest(manifest, old && { old });
  assert.ok(result.ok, JSON.stringify(result));
  return result.object;
}

function refusedAt(problems: readonly Problem[], field: string, says: RegExp): void {
  const found = problems.some((problem) => problem.field === field && says.test(problem.message));
  assert.ok(found, `expected a problem at "${field}" saying ${says}, found ${JSON.stringify(problems)}`);
}
