/** Trainings whose options waste a run together are told so before it starts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTraining } from './check-training.ts';
import { type Change, changed } from './test-objects.ts';
import { validateManifest } from './validate.ts';
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';

const accepted: readonly (readonly [string, Change])[] = [
  ['the good training', {}],
  ['one image step past the last fade', { 'spec/totalKimg': 8401 }],
  [
    'preset v1 with groups of 16, whose minibatches of 14 and 6 are one group each',
    { 'spec/preset': 'v1-1gpu', 'spec/schedule': undefined, 'spec/totalKimg': 19000, 'spec/phases': [] },
  ],
  ['a minibatch smaller than a group', { 'spec/phases': [{ resolution: 512, minibatch: 3 }] }],
  [
    'microbatches of whole groups',
    {
      'spec/phases': [
        { resolution: 8, microbatch: 4 },
        { resolution: 512, minibatch: 24, microbatch: 12 },
      ],
    },
  ],
  ['single images without groups', { 'spec/network': { mbstdGroupSize: 0 }, 'spec/phases': [{ resolution: 512, microbatch: 1 }] }],
  ['any minibatch without groups', { 'spec/network': { mbstdGroupSize: 0 }, 'spec/phases': [{ resolution: 512, minibatch: 7 }] }],
  [
    'no growing, with a minibatch below it that would be refused',
    {
      'spec/schedule': { initialResolution: 512, trainKimg: 0, transitionKimg: 0 },
      'spec/totalKimg': 1,
      'spec/phases': [{ resolution: 4, minibatch: 7 }],
    },
  ],
];

const refused: readonly (readonly [string, Change, string, RegExp])[] = [
  [
    'a run that ends as the last fade does',
    { 'spec/totalKimg': 8400 },
    'spec.totalKimg',
    /ends at 8400 kimg, before 512x512 has faded in at 8400 kimg/,
  ],
  ['a run that ends long before', { 'spec/totalKimg': 100 }, 'spec.totalKimg', /raise it, or lower/],
  ['a network that would never grow', { 'spec/schedule': { trainKimg: 0, transitionKimg: 0 } }, 'spec.schedule.trainKimg', /stay at 4x4/],
  [
    'a minibatch of 6 in a phase',
    { 'spec/phases': [{ resolution: 8 }, { resolution: 512, minibatch: 6 }] },
    'spec.phases[1].minibatch',
    /at 512x512 the minibatch is 6, which groups of 4/,
  ],
  [
    'a microbatch that splits groups',
    { 'spec/phases': [{ resolution: 4 }, { resolution: 8, microbatch: 2 }] },
    'spec.phases[1].microbatch',
    /at 8x8 the microbatch is 2, which is no whole number of groups of 4 images/,
  ],
  [
    'a microbatch that does not divide the minibatch of the preset',
    { 'spec/phases': [{ resolution: 8, microbatch: 24 }] },
    'spec.phases[0].microbatch',
    /at 8x8 the microbatch is 24, which does not divide the minibatch of 128/,
  ],
  [
    'a microbatch larger than the minibatch',
    { 'spec/phases': [{ resolution: 512, microbatch: 8 }] },
    'spec.phases[0].microbatch',
    /does not divide the minibatch of 4/,
  ],
  [
    'a minibatch of 10 in the schedule',
    { 'spec/schedule': { minibatches: [{ resolution: 8, minibatch: 10 }] } },
    'spec.schedule.minibatches[0].minibatch',
    /at 8x8 the minibatch is 10/,
  ],
  [
    'a base minibatch of 5',
    { 'spec/preset': undefined, 'spec/schedule': { minibatchBase: 5 }, 'spec/phases': [] },
    'spec.schedule.minibatchBase',
    /is 5, which groups of 4/,
  ],
  [
    'a preset whose minibatches other groups do not divide',
    { 'spec/network': { mbstdGroupSize: 5 } },
    'spec.preset',
    /at 4x4 the minibatch is 128, which groups of 5/,
  ],
  [
    'fewer images than GPUs',
    { 'spec/preset': 'v2-8gpus', 'spec/schedule': { minibatches: [{ resolution: 4, minibatch: 7 }] } },
    'spec.schedule.minibatches[0].minibatch',
    /nothing is left.*8 GPUs/,
  ],
  ['feature maps that run out', { 'spec/network': { fmapBase: 64 } }, 'spec.network.fmapBase', /leave none at 512x512; take at least 256/],
];

for (const [name, change] of accepted) {
  test(`accepted: ${name}`, () => assert.deepEqual(checkTraining(training(change)), []));
}

for (const [name, change, field, says] of refused) {
  test(`not accepted: ${name}`, () => {
    const problems = checkTraining(training(change));
    assert.ok(
      problems.some((problem) => problem.field === field && says.test(problem.message)),
      JSON.stringify(problems),
    );
  });
}

function training(change: Change): PGGANTraining {
  const result = validateManifest(changed('training', change));
  assert.ok(result.ok, JSON.stringify(result));
  return result.object as PGGANTraining;
}
