import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fingerprint } from '../../crds/run.ts';
import { randomGenerator } from '../../test/harness/random-generator.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { openGenerator } from './open-generator.ts';

test('a generator has the weights of the networks that run.json describes', async (t) => {
  const folder = await temporaryFolder(t);
  await randomGenerator(folder, { labelSize: 2 });
  const { shape, weights } = await openGenerator(pathToFileURL(folder).href);
  assert.deepEqual([shape.resolution, shape.latentSize, shape.labelSize], [8, 16, 2]);
  assert.equal(weights.get('4x4/Dense/weight')?.length, 18 * 16 * 16);
});

for (const [what, change, message] of [
  ['of a larger resolution', { resolution: 4 }, /the networks of this run have no 8x8\/Conv0_up\/bias/],
  ['of a smaller resolution', { resolution: 16 }, /ToRGB_lod2\/weight should be F32 \[[\d, ]+\] but is missing/],
  ['of a grey network in a run in colour', { channels: 3 }, /ToRGB_lod1\/weight should be F32 \[1, 1, 16, 3\] but is F32 \[1, 1, 16, 1\]/],
  ['of shorter latents', { latentSize: 32 }, /4x4\/Dense\/weight should be F32 \[32, 256\] but is F32 \[16, 256\]/],
] as const) {
  test(`a checkpoint ${what}, copied from another run's folder, is refused before anything is drawn`, async (t) => {
    const folder = await temporaryFolder(t);
    await randomGenerator(folder);
    await describeOtherwise(join(folder, 'run.json'), change);
    await assert.rejects(openGenerator(pathToFileURL(folder).href), { code: 'CheckpointInvalid', message });
  });
}

type Change = { readonly resolution?: number; readonly channels?: number; readonly latentSize?: number };

async function describeOtherwise(file: string, { resolution, ...network }: Change): Promise<void> {
  const record = JSON.parse(await readFile(file, 'utf8'));
  const options = { ...record.options, ...(resolution && { resolution }), network: { ...record.options.network, ...network } };
  await writeFile(file, JSON.stringify({ ...record, options, parts: options, fingerprint: fingerprint(options) }));
}
