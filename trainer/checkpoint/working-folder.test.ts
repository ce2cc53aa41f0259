import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomGenerator } from '../../test/harness/random-generator.ts';
import { writeThroughFile } from '../synthesis/written-file.ts';
import { copyRun } from './copy-run.ts';
import { fileStore } from './file-store.ts';
import { findNewestCheckpoint } from './load-checkpoint.ts';
import { temporaryFolder } from './test-checkpoints.ts';
import { withWorkingFolder } from './working-folder.ts';

test('a folder that PGGAN_SCRATCH names is made by whatever needs it first, and holds nothing afterwards', async (t) => {
  const folder = await temporaryFolder(t);
  await randomGenerator(join(folder, 'run'));
  const moved = fileStore(join(folder, 'moved'));
  const parts = (async function* () {
    yield 'text';
  })();
  for (const [name, use] of [
    ['copied', () => copyRun(fileStore(join(folder, 'run')), moved, new Date(), () => undefined)],
    ['written', () => writeThroughFile(moved, 'text.txt', parts)],
  ] as const) {
    process.env['PGGAN_SCRATCH'] = join(folder, name, 'scratch');
    await use();
    assert.deepEqual(await readdir(process.env['PGGAN_SCRATCH']), []);
  }
  assert.equal((await findNewestCheckpoint(moved))?.checkpoint.manifest.images, 1000);
  assert.equal(String(await moved.read('text.txt')), 'text');
});

test('a working folder goes with its work, also where that fails; a place that is none is told by its name', async (t) => {
  const folder = await temporaryFolder(t);
  process.env['PGGAN_SCRATCH'] = folder;
  let own = '';
  const work = async (path: string): Promise<never> => {
    own = path;
    throw new Error('by a test');
  };
  await assert.rejects(withWorkingFolder(work), { message: 'by a test' });
  assert.ok(own.startsWith(folder) && !existsSync(own));

  await writeFile(join(folder, 'file'), '');
  process.env['PGGAN_SCRATCH'] = join(folder, 'file');
  await assert.rejects(withWorkingFolder(work), {
    code: 'StoreUnavailable',
    message: /cannot write .*\/file\/.*: a part of the path is a file/,
  });
});
