import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GOLDEN_CASES, goldenCase } from '../../test/harness/golden.ts';
import { prepareBackend } from '../backend/backend.ts';
import { beyondTolerance, WASM_TOLERANCES } from './deviations.ts';
import { replayLosses } from './replay-losses.ts';
import { replayTraining } from './replay-training.ts';

// A process has one backend: this file runs in its own.
before(async () => {
  assert.equal((await prepareBackend({ threads: 1, want: 'wasm' })).kind, 'wasm');
});

for (const name of GOLDEN_CASES) {
  test(`${name}: without native ops the plain ones give the reference's images, terms and gradients`, (t) => {
    const golden = goldenCase(t, name);
    if (!golden) return;
    for (const lod of golden.lods) assert.deepEqual(beyondTolerance(replayLosses(golden, lod, 'eager', WASM_TOLERANCES)), []);
  });

  test(`${name}: training on WebAssembly ends where the reference does`, (t) => {
    const golden = goldenCase(t, name);
    if (!golden) return;
    for (const lod of golden.trainLods) assert.deepEqual(beyondTolerance(replayTraining(golden, lod, 'eager', WASM_TOLERANCES)), []);
  });
}
