import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NETWORK_DEFAULTS } from '../../crds/run.ts';
import { saveCheckpoint } from '../checkpoint/checkpoint.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { checkpointKey, TENSOR_FILES } from '../checkpoint/format.ts';
import { loadCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { mayWrite, someCheckpoint, temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import type { NetworkShape } from '../networks/weights.ts';
import { createRandom } from './random.ts';
import { initialValues } from './session.ts';
import { fromTensorFiles, toTensorFiles } from './tensor-files.ts';
import { testRun } from './test-runs.ts';
import { stepOptions } from './open-run.ts';

const SMALL: NetworkShape = { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 16, latentSize: 16, resolution: 8, labelSize: 0 };

for (const [what, change, message] of [
  [
    "of a smaller resolution than the run's",
    { resolution: 16 },
    /generator\.safetensors: ToRGB_lod2\/weight should be F32 \[[\d, ]+\] but is missing/,
  ],
  [
    "of a larger resolution than the run's",
    { resolution: 4 },
    /generator\.safetensors: the networks of this run have no 8x8\/Conv0_up\/bias/,
  ],
  ['with fewer feature maps', { fmapMax: 32 }, /generator\.safetensors: 4x4\/Dense\/weight should be F32 \[[\d, ]+\] but is F32 \[/],
  [
    'of a network without labels, for a run with them,',
    { labelSize: 2 },
    /generator\.safetensors: 4x4\/Dense\/weight should be F32 \[18, [\d, ]+\] but is F32 \[16, /,
  ],
  ['of grey pictures, for a run in colour,', { channels: 3 }, /generator\.safetensors: ToRGB_lod\d\/weight should be F32/],
] as const) {
  test(`a checkpoint ${what} is refused by the first tensor that does not fit`, async (t) => {
    const store = fileStore(await temporaryFolder(t));
    const options = { ...stepOptions(testRun({ resolution: 8 }), { labelSize: 0 }), shape: SMALL };
    const files = toTensorFiles(SMALL, initialValues(options, createRandom(1)));
    await saveCheckpoint(store, { ...someCheckpoint(16, 1), files }, mayWrite);
    const checkpoint = await loadCheckpoint(store, checkpointKey(16));
    assert.equal(fromTensorFiles(SMALL, checkpoint, TENSOR_FILES).size > 0, true);
    assert.throws(() => fromTensorFiles({ ...SMALL, ...change }, checkpoint, TENSOR_FILES), { code: 'CheckpointInvalid', message });
  });
}
