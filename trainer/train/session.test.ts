import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { createRandom } from './random.ts';
import { createSession, initialValues } from './session.ts';
import { SMALL_STEP, smallFeeds, trainedDigest } from './test-steps.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

const KEYS = [
  { resolution: 4, minibatch: 4, fading: false },
  { resolution: 8, minibatch: 4, fading: true },
  { resolution: 8, minibatch: 4, fading: false },
];

for (const mode of ['eager', 'graph'] as const) {
  test(`a run grows through its programs (${mode}): each is compiled anew, and every variable goes over bit for bit`, () => {
    const random = createRandom(2);
    const tensors = tf.memory().numTensors;
    const session = createSession(SMALL_STEP, mode, initialValues(SMALL_STEP, random));
    for (const [at, key] of KEYS.entries()) {
      const carried = at > 0 ? session.snapshot() : undefined;
      session.enter(key);
      if (carried) assert.deepEqual(session.snapshot(), new Map([...session.snapshot().keys()].map((name) => [name, carried.get(name)])));
      const { discriminator, generator } = smallFeeds(key);
      assert.equal(session.step('discriminator', discriminator)['finite'], 1);
      assert.equal(session.step('generator', generator)['finite'], 1);
      const images = session.sample({ latents: random.normal('shown', 0, 3 * 8) }, key.fading ? 0.5 : 0);
      assert.equal(images.length, 3 * key.resolution ** 2, 'three images of the current resolution, whatever the minibatch');
    }
    const before = session.snapshot();
    session.resetOptimizer();
    for (const [name, value] of session.snapshot()) {
      const wanted = name.startsWith('adam_') ? new Float32Array(value.length) : before.get(name);
      assert.deepEqual(value, wanted, name);
    }
    session.dispose();
    assert.equal(tf.memory().numTensors, tensors);
  });
}

test('a run in mixed precision draws the images that Float32 draws of the same weights, bit for bit', () => {
  const [images, same] = (['BFloat16Mixed', 'Float32'] as const).map((precision) => {
    const session = createSession({ ...SMALL_STEP, precision }, 'eager', initialValues(SMALL_STEP, createRandom(2)));
    session.enter({ resolution: 8, minibatch: 4, fading: false });
    const drawn = session.sample({ latents: createRandom(4).normal('shown', 0, 4 * 8) });
    session.dispose();
    return drawn;
  });
  assert.deepEqual(images, same);
});

for (const precision of ['Float32', 'BFloat16Mixed'] as const) {
  test(`two processes with two threads train to the same bits (${precision})`, async () => {
    const script = `
      const { prepareBackend } = await import('./trainer/backend/backend.ts');
      const { trainedDigest } = await import('./trainer/train/test-steps.ts');
      await prepareBackend({ threads: 2, want: 'native' });
      process.stdout.write(trainedDigest('${precision}'));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: new URL('../..', import.meta.url),
    });
    assert.match(stdout, /^[0-9a-f]{64}$/);
    assert.equal(stdout, trainedDigest(precision));
  });
}
