import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { GOLDEN_CASES, goldenCase } from '../../test/harness/golden.ts';
import { prepareBackend } from '../backend/backend.ts';
import { beyondTolerance, NATIVE_TOLERANCES } from './deviations.ts';
import { replayLosses } from './replay-losses.ts';
import { replayTraining } from './replay-training.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

for (const name of GOLDEN_CASES) {
  for (const mode of ['eager', 'graph'] as const) {
    test(`${name}: images, scores, loss terms and gradients of both losses (${mode}) are the reference's at every level of detail`, (t) => {
      const golden = goldenCase(t, name);
      if (!golden) return;
      const tensors = tf.memory().numTensors;
      for (const lod of golden.lods) {
        const deviations = replayLosses(golden, lod, mode, NATIVE_TOLERANCES);
        assert.ok(deviations.length > golden.weightNames.G.length + golden.weightNames.D.length);
        assert.deepEqual(beyondTolerance(deviations), []);
      }
      assert.equal(tf.memory().numTensors, tensors);
    });

    test(`${name}: three training iterations (${mode}) end with the reference's weights, average and moments of Adam`, (t) => {
      const golden = goldenCase(t, name);
      if (!golden) return;
      for (const lod of golden.trainLods) assert.deepEqual(beyondTolerance(replayTraining(golden, lod, mode, NATIVE_TOLERANCES)), []);
    });
  }
}
