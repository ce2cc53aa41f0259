/** The run document as a process reads it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgganError } from './errors.ts';
import { resolveSynthesisRun } from './resolve.ts';
import { parseRunDocument } from './run.ts';
import { changed } from './test-objects.ts';
import { validateManifest } from './validate.ts';

const DOCUMENT = JSON.stringify(document());

test('the pods of an Indexed Job share one document and take their shard from beside it', () => {
  assert.deepEqual(shardOf(DOCUMENT), 0);
  assert.deepEqual(shardOf(DOCUMENT, '3'), 3);
});

for (const text of ['4', '-1', '1.5', '0x1', '', ' 1', 'one']) {
  test(`a shard of '${text}' among four is refused by name`, () =>
    assert.throws(
      () => parseRunDocument(DOCUMENT, text),
      (error) =>
        error instanceof PgganError && error.code === 'RunDocumentInvalid' && /PGGAN_SHARD.*below shards, which is 4/.test(error.message),
    ));
}

test('a document whose own shard is none of its shards is refused', () =>
  assert.throws(() => parseRunDocument(JSON.stringify({ ...document(), shard: 4 })), /shard is 4: it must be a whole number below shards/));

function document() {
  const validated = validateManifest(changed('synthesis'));
  assert.ok(validated.ok && validated.object.kind === 'SynthesisJob');
  return resolveSynthesisRun(validated.object, {
    cluster: 'c',
    port: 8080,
    shard: 0,
    checkpointUri: 's3://pggan/runs/research/rsna-normal',
  });
}

function shardOf(text: string, shard?: string): number | undefined {
  const run = parseRunDocument(text, shard);
  return run.kind === 'synthesis' ? run.shard : undefined;
}
