/** What a trainer refuses of its run document, before anything is computed or written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { resolveTrainingRun } from '../../crds/resolve.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { changed } from '../../crds/test-objects.ts';
import { validateManifest } from '../../crds/validate.ts';
import type { PGGANTraining } from '../../crds/v1alpha1/pggan-training.ts';
import { checkOptions } from './check-options.ts';

const DATASET = { folder: '/data', channels: 1, resolution: 512 } as const;

test('what the operator accepts the trainer accepts: a minibatch below the initial resolution may be anything', () => {
  checkOptions(
    runOf({
      'spec/schedule': { initialResolution: 512, trainKimg: 0, transitionKimg: 0 },
      'spec/totalKimg': 1,
      'spec/phases': [{ resolution: 4, minibatch: 7 }],
    }),
    DATASET,
  );
});

const refused = [
  ['a minibatch that its groups do not divide', { 'spec/phases': [{ resolution: 512, minibatch: 6 }] }, /at 512x512 the minibatch is 6/],
  [
    'a microbatch that splits groups',
    { 'spec/phases': [{ resolution: 8, microbatch: 2 }] },
    /at 8x8 the microbatch is 2, which is no whole number of groups of 4/,
  ],
  ['a run that ends before its last fade does', { 'spec/totalKimg': 100 }, /spec\.totalKimg: the run ends at 100 kimg/],
  ['a network that never grows', { 'spec/schedule': { trainKimg: 0, transitionKimg: 0 } }, /would stay at 4x4/],
] as const;

for (const [name, change, says] of refused) {
  test(`refused as contradictory: ${name}`, () => {
    assert.throws(
      () => checkOptions(runOf(change), DATASET),
      (error) => error instanceof PgganError && error.code === 'OptionsInvalid' && says.test(error.message),
    );
  });
}

test('a dataset that ends below the resolution of the run, or has other channels, is refused', () => {
  const code = { code: 'DatasetInvalid' };
  assert.throws(() => checkOptions(runOf({}), { ...DATASET, resolution: 256 }), code);
  assert.throws(() => checkOptions(runOf({}), { ...DATASET, channels: 3 }), code);
});

function runOf(change: Parameters<typeof changed>[1]): TrainingRun {
  const read = validateManifest(changed('training', change));
  assert(read.ok, JSON.stringify(read));
  return resolveTrainingRun(read.object as PGGANTraining, { task: { kind: 'preflight' }, cluster: 'test', port: 0 });
}
