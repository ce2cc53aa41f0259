import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgganError } from './errors.ts';
import { parseManifests, readManifests } from './manifest.ts';

const BAD = `apiVersion: pggan.dev/v1alpha1
kind: PGGANTraining
metadata:
  name: x
spec:
  dataset: {uri: "file:///data"}
  output: {uri: "file:///runs"}
  resolution: 33
  totalKimg: 40
  frobnicate: true
---
apiVersion: pggan.dev/v1alpha1
kind: SynthesisJob
metadata: {name: y}
spec:
  output: {uri: "file:///runs"}
  trainingRef: {name: x}
  count: 0
`;

/** True of an error that names every problem of BAD. */
function namesAll(error: unknown): boolean {
  assert(error instanceof PgganError);
  assert.equal(error.exitCode, 2);
  const lines = error.message.split('\n');
  assert(
    lines.some((line) => line.startsWith('x.yaml:8: spec.resolution: ')),
    error.message,
  );
  assert(
    lines.some((line) => line.startsWith('x.yaml:10: spec.frobnicate: ')),
    error.message,
  );
  assert(
    lines.some((line) => line.startsWith('x.yaml:18: spec.count: ')),
    error.message,
  );
  return true;
}

test('a bad manifest is refused with every problem of every document, each with its line and field', () => {
  assert.throws(() => parseManifests(BAD, 'x.yaml'), namesAll);
});

test('a file that is no YAML is refused with the line of the mistake', () => {
  assert.throws(() => parseManifests('a: [1\nb: 2\n', 'x.yaml'), /^PgganError: x\.yaml:\d+: /);
});

test('an empty file and a file that is not there are refused by name', async () => {
  assert.throws(() => parseManifests('# nothing\n', 'x.yaml'), /x\.yaml holds no object/);
  await assert.rejects(readManifests('/nowhere/x.yaml'), /\/nowhere\/x\.yaml cannot be read/);
});

test('options that make sense one by one but not together are refused by field', () => {
  const short = BAD.split('---')[0]?.replace('33', '32').replace('  frobnicate: true\n', '') ?? '';
  assert.throws(() => parseManifests(short, 'x.yaml'), /x\.yaml:9: spec\.totalKimg: the run ends at 40 kimg/);
});
