import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MAX_TERMINATION_BYTES, parseProgress, type TrainingProgress } from '../../crds/progress.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { fitTermination, terminationPath, writeTermination } from './termination.ts';
import { someProgress } from './test-progress.ts';

function text(maxLength: number): fc.Arbitrary<string> {
  return fc.string({ maxLength, size: 'max', unit: 'binary' });
}

test('the file holds the last document, also when the one before was longer', async (t) => {
  const path = join(await temporaryFolder(t), 'termination');
  const long: TrainingProgress = { ...someProgress, state: 'Failed', failure: { code: 'TrainingFailed', message: 'x'.repeat(1000) } };
  assert.equal(writeTermination(long, path), undefined);
  assert.deepEqual(parseProgress(await readFile(path, 'utf8')), long);
  assert.equal(writeTermination(someProgress, path), undefined);
  assert.deepEqual(parseProgress(await readFile(path, 'utf8')), someProgress);
});

test('whatever a document holds, its message is a valid document of at most 4,096 bytes with state and failure', () => {
  fc.assert(
    fc.property(text(1024), fc.array(text(512), { maxLength: 8 }), text(256), text(900), (message, warnings, picture, uri) => {
      const checkpoint = { uri, images: 1, digest: 'ab'.repeat(32), time: someProgress.time };
      const full: TrainingProgress = {
        ...someProgress,
        state: 'Failed',
        failure: { code: 'StoreFull', message },
        warnings,
        picture,
        checkpoint,
        resumedFrom: checkpoint,
      };
      const fitted = fitTermination(full);
      assert.ok(Buffer.byteLength(fitted) <= MAX_TERMINATION_BYTES, String(Buffer.byteLength(fitted)));
      const read = parseProgress(fitted);
      assert.ok(read?.kind === 'training');
      assert.deepEqual([read.state, read.failure?.code, read.images], ['Failed', 'StoreFull', full.images]);
    }),
    { numRuns: 50 },
  );
});

test('a preflight keeps the differing fields, cut, when they are too many', () => {
  const differences = Array.from({ length: 32 }, (_, index) => `field${index}: ${'x'.repeat(240)}`);
  const read = parseProgress(
    fitTermination({ version: 'v1', kind: 'preflight', state: 'Failed', images: 0, complete: false, differences, time: someProgress.time }),
  );
  assert.ok(read?.kind === 'preflight');
  assert.equal(read.differences?.length, 16);
});

test('the file is the one that the environment names', () => {
  assert.equal(terminationPath({ PGGAN_TERMINATION_LOG: '/x/y' }), '/x/y');
});

test('a file that cannot be written is said, not thrown', async (t) => {
  const path = join(await temporaryFolder(t), 'file');
  await writeFile(path, '');
  assert.match(writeTermination(someProgress, join(path, 'below')) ?? '', /termination message cannot be written to .*below: ENOTDIR/);
});
