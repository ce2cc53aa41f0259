import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SynthesisRun } from '../../crds/run.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import type { Store } from '../checkpoint/store.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import type { ImageFiles } from './image-files.ts';
import { openJournal } from './journal.ts';
import type { OpenGenerator } from './open-generator.ts';
import { pngFiles } from './png-files.ts';
import { shardOf } from './shard.ts';

const generator = {
  shape: { resolution: 4, channels: 1, labelSize: 0 },
  record: { data: { label: 'phantom' } },
  checkpoint: { digest: 'd' },
} as unknown as OpenGenerator;
const BLOCK = 4;
const COUNT = 10;
const run = { count: COUNT, shards: 1, shard: 0, seed: 1, latents: 'RandomState' } as SynthesisRun;
const shard = shardOf(run, BLOCK);
const goingOn = { step: () => {}, stop: { requested: false } };

type Process = { readonly files: ImageFiles; readonly read: readonly string[]; lookThrough(): Promise<Looked> };
type Looked = { readonly taken: readonly number[]; readonly warnings: readonly string[] };

/** What a process finds that starts anew, and which images it reads for that. */
async function processIn(folder: string): Promise<Process> {
  const real = fileStore(folder);
  const read: string[] = [];
  const store: Store = {
    ...real,
    read: (key) => {
      if (key.startsWith('images/')) read.push(key);
      return real.read(key);
    },
  };
  const files = await pngFiles({ store, run, generator, shard, journal: await openJournal(store, 0), side: 4 });
  return {
    files,
    read,
    async lookThrough() {
      const taken: number[] = [];
      const warnings: string[] = [];
      for (let block = 0; block < shard.blocks; block++) {
        const found = await files.takeUp(block, { ...goingOn, warn: (reason) => void warnings.push(reason) });
        taken.push(...found.keys());
      }
      return { taken, warnings };
    },
  };
}

/** A folder with all images, noted but for those after `noted`. */
async function drawn(t: TestContext, noted = COUNT): Promise<string> {
  const folder = await temporaryFolder(t);
  const { files } = await processIn(folder);
  for (let index = 0; index < COUNT; index++) {
    await files.add([{ index, pixels: new Uint8Array(16).fill(index) }]);
    if (index === noted - 1) await files.flush();
  }
  if (noted === COUNT) await files.finish({ ...goingOn, warn: () => {} });
  return folder;
}

const ALL = Array.from({ length: COUNT }, (_, index) => index);

test('a restart believes the journal of images that are still the ones it was written for, and reads none', async (t) => {
  const again = await processIn(await drawn(t));
  assert.deepEqual(await again.lookThrough(), { taken: ALL, warnings: [] });
  assert.deepEqual(again.read, []);
});

test('images of which a kill took the note are looked at, once', async (t) => {
  const folder = await drawn(t, 6);
  const again = await processIn(folder);
  assert.deepEqual(await again.lookThrough(), { taken: ALL, warnings: [] });
  // The block was noted when the next one began.
  assert.deepEqual(again.read, ['images/000008.png', 'images/000009.png']);
  const third = await processIn(folder);
  await third.lookThrough();
  assert.deepEqual(third.read, []);
});

test('an image that was written again is looked at, whatever its size says, and refused if it is another', async (t) => {
  const folder = await drawn(t);
  const path = (index: number): string => join(folder, `images/00000${index}.png`);
  const [second, third] = [2, 3].map((index) => readFileSync(path(index)));
  assert(second && third && second.length === third.length);
  writeFileSync(path(2), third);
  writeFileSync(path(5), readFileSync(path(5)));
  rmSync(path(7));
  const again = await processIn(folder);
  const { taken, warnings } = await again.lookThrough();
  assert.deepEqual(again.read, ['images/000002.png', 'images/000005.png']);
  assert.deepEqual(
    taken.toSorted((a, b) => a - b),
    ALL.filter((index) => index !== 2 && index !== 7),
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /images\/000002.png in .* is another image: its Index is 3 instead of 2/);
});

test('a damaged journal costs a look at its images, and nothing else', async (t) => {
  const folder = await drawn(t);
  writeFileSync(join(folder, 'journal/shard-0000/000001.json'), '{"images": [{');
  const again = await processIn(folder);
  assert.deepEqual(await again.lookThrough(), { taken: ALL, warnings: [] });
  assert.equal(again.read.length, BLOCK);
});

test('a stop while images are looked at forgets no note', async (t) => {
  const folder = await drawn(t);
  const { files } = await processIn(folder);
  assert.equal((await files.takeUp(0, { step: () => {}, stop: { requested: true }, warn: () => {} })).size, 0);
  const again = await processIn(folder);
  assert.deepEqual((await again.lookThrough()).taken, ALL);
  assert.deepEqual(again.read, []);
});
