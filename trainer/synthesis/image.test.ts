import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from 'fast-png';
import type { SynthesisRun } from '../../crds/run.ts';
import { identityOf, imagePng, otherThan } from './image.ts';
import type { OpenGenerator } from './open-generator.ts';

const generator = { checkpoint: { digest: 'c0ffee' }, shape: { resolution: 8, labelSize: 3 } } as OpenGenerator;
const record = { data: { label: 'phantom' } } as OpenGenerator['record'];
const run: Pick<SynthesisRun, 'seed' | 'latents' | 'truncation' | 'label' | 'resolution'> = { seed: 7, latents: 'RandomState' };
const image = (options: Partial<typeof run> = {}, index = 5) => {
  const identity = identityOf({ ...run, ...options }, generator, index);
  return decode(imagePng(new Uint8Array(16).fill(9), { side: 4, channels: 1 }, record, identity)).text;
};

test('an image says what decides it, and nothing of what was not asked for', () => {
  assert.deepEqual(image(), {
    Software: 'pggan-operator',
    Description: 'synthetic image, trained on phantoms; not for diagnosis',
    Synthetic: 'true',
    Seed: '7',
    Latents: 'RandomState',
    Index: '5',
    Label: '2',
    Resolution: '8',
    Checkpoint: 'c0ffee',
  });
  assert.partialDeepStrictEqual(image({ truncation: 0.7, label: 1, resolution: 4 }), { Truncation: '0.7', Label: '1', Resolution: '4' });
});

for (const [option, value, words] of [
  ['seed', 8, 'Seed is 8 instead of 7'],
  ['latents', 'Philox', 'Latents is Philox instead of RandomState'],
  ['truncation', 0.7, 'Truncation is 0.7 instead of not given'],
  ['label', 0, 'Label is 0 instead of 2'],
  ['resolution', 4, 'Resolution is 4 instead of 8'],
] as const) {
  test(`an image of another ${option} is another image`, () => {
    assert.equal(otherThan(identityOf(run, generator, 5), image({ [option]: value })), `its ${words}`);
  });
}

test('an image says the same of itself whoever asks, and not of its neighbour', () => {
  assert.equal(otherThan(identityOf(run, generator, 5), image()), undefined);
  assert.equal(otherThan(identityOf(run, generator, 5), image({}, 8)), 'its Index is 8 instead of 5');
});
